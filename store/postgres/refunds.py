"""Refunds on record, and the deductions that they and lost disputes make. Every function may be repeated."""

from rooms.ids import SessionId, UserId
from store.money_records import DeductionRow, Refund, RefundState, SessionMoney
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("refunds")


async def lock_money(db: Db, session_id: SessionId) -> SessionMoney | None:
    """Decide about a session's money alone, until the transaction ends; None without such a session."""
    return one(await db.fetchrow(SQL["lock_money"], session_id), SessionMoney)


async def insert_refund(
    db: Db,
    *,
    refund_id: str,
    session_id: SessionId,
    participant_no: int,
    amount_minor: int,
    currency: str,
    reason: bytes | None,
    state: RefundState,
    request_id: str | None,
    requested_by: UserId,
    now_ms: int,
) -> Refund | None:
    """Put a refund on record, its reason sealed; None when the admin used this `request_id` before.

    Raises asyncpg.CheckViolationError when more would go back than was charged.
    """
    row = await db.fetchrow(
        SQL["insert_refund"],
        refund_id,
        session_id,
        participant_no,
        amount_minor,
        currency,
        reason,
        state,
        request_id,
        requested_by,
        now_ms,
    )
    return one(row, Refund)


async def refund(db: Db, refund_id: str) -> Refund | None:
    """One refund."""
    return one(await db.fetchrow(SQL["refund"], refund_id), Refund)


async def refund_requested(db: Db, requested_by: UserId, request_id: str) -> Refund | None:
    """The refund that an admin asked for under this name."""
    return one(await db.fetchrow(SQL["refund_requested"], requested_by, request_id), Refund)


async def charged(db: Db, session_id: SessionId, participant_no: int) -> UserId | None:
    """Who a participant is."""
    found: UserId | None = await db.fetchval(SQL["charged"], session_id, participant_no)
    return found


async def decide_refund(
    db: Db, refund_id: str, state: RefundState, *, decided_by: UserId | None, now_ms: int
) -> Refund | None:
    """Approve or reject a refund that waits for it; None when it does not."""
    return one(await db.fetchrow(SQL["decide_refund"], refund_id, state, decided_by, now_ms), Refund)


async def finish_refund(db: Db, session_id: SessionId, participant_no: int, ordinal: int) -> None:
    """A part of a refund is over at Stripe; so is the refund, if all its parts are."""
    await db.execute(SQL["finish_refund"], session_id, participant_no, ordinal)


async def refunds(db: Db, *, state: str | None, before: str | None, limit: int) -> list[Refund]:
    """Refunds, the newest first."""
    return many(await db.fetch(SQL["refunds"], state, before, limit), Refund)


async def refunded_alone(db: Db, session_id: SessionId, admin_id: UserId) -> int:
    """What an admin has refunded of a session without a second one, in minor units."""
    return int(await db.fetchval(SQL["refunded_alone"], session_id, admin_id))


async def undecided_refunds(db: Db, session_id: SessionId, participant_no: int) -> bool:
    """Whether some refund waits for an admin or for Stripe."""
    return bool(await db.fetchval(SQL["undecided_refunds"], session_id, participant_no))


async def insert_deduction(
    db: Db,
    session_id: SessionId,
    participant_no: int,
    *,
    kind: str,
    charge: str | None,
    amount_minor: int,
    practitioner_minor: int,
    now_ms: int,
    refund_id: str | None = None,
    dispute_id: str | None = None,
) -> DeductionRow:
    """Deduct something of a charge, or a debt of what is paid for free time, under the session's lock.

    Raises asyncpg.CheckViolationError.
    """
    row = await db.fetchrow(
        SQL["insert_deduction"],
        session_id,
        participant_no,
        kind,
        charge,
        amount_minor,
        practitioner_minor,
        refund_id,
        dispute_id,
        now_ms,
    )
    inserted = one(row, DeductionRow)
    if inserted is None:
        raise LookupError("The deduction was not written.")
    return inserted


async def deductions(db: Db, session_id: SessionId, participant_no: int) -> list[DeductionRow]:
    """All deductions of one guest's part, in order."""
    return many(await db.fetch(SQL["deductions"], session_id, participant_no), DeductionRow)


async def earned_part(db: Db, session_id: SessionId, participant_no: int) -> int:
    """What the practitioner earned of this part by its settlement, in minor units; 0 before there is one."""
    return int(await db.fetchval(SQL["earned_part"], session_id, participant_no) or 0)


async def promised_part(db: Db, session_id: SessionId, participant_no: int) -> int:
    """What the platform owes the practitioner for free time by the settlement, in minor units; or 0."""
    return int(await db.fetchval(SQL["promised_part"], session_id, participant_no) or 0)


async def part_of(db: Db, session_id: SessionId, user_id: UserId | None) -> list[int]:
    """The numbers of the guests that are meant: one, none, or two when it is not clear who."""
    return [row["no"] for row in await db.fetch(SQL["part_of"], session_id, user_id)]
