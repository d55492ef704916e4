"""Restitutions on record: what was collected from a guest goes back to them, all of it or of one session."""

import uuid_utils

from billing.payment import Operation
from rooms.ids import SessionId, UserId
from store.money_records import Refund, Restitution
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("restitutions")


async def order(
    db: Db,
    *,
    guest_id: UserId,
    ordered_by: UserId,
    reason: str,
    now_ms: int,
    session_id: SessionId | None = None,
) -> str:
    """Order that a guest gets everything back; the restitution's id. While one is open, it is that one.

    It may be called inside somebody else's transaction. `reason` is the name of a rule, `session_id` the
    session that gave it.
    """
    restitution_id = str(uuid_utils.uuid7())
    ordered: str = await db.fetchval(
        SQL["order"], restitution_id, guest_id, session_id, reason, ordered_by, now_ms
    )
    return ordered


async def order_of_session(
    db: Db,
    *,
    guest_id: UserId,
    session_id: SessionId,
    ordered_by: UserId,
    reason: str,
    now_ms: int,
) -> None:
    """Order that a guest gets back what they paid for one session. Repeated, it changes nothing, even once it
    is done.
    """
    restitution_id = str(uuid_utils.uuid7())
    await db.execute(
        SQL["order_of_session"], restitution_id, guest_id, session_id, reason, ordered_by, now_ms
    )


async def open_restitutions(db: Db, *, limit: int) -> list[Restitution]:
    """Those that are not done; first those that nobody has looked at for the longest."""
    return many(await db.fetch(SQL["open_restitutions"], limit), Restitution)


async def looked_at(db: Db, restitution_id: str, *, now_ms: int) -> None:
    """It had its turn; others come before it again."""
    await db.execute(SQL["looked_at"], restitution_id, now_ms)


async def is_ordered(db: Db, guest_id: UserId, session_id: SessionId) -> bool:
    """Whether what a guest pays for a session goes, or went, back to them."""
    return bool(await db.fetchval(SQL["is_ordered"], guest_id, session_id))


async def collectable(db: Db, ordered: Restitution, *, limit: int) -> list[tuple[SessionId, int]]:
    """Parts of sessions of which something that was collected has not gone back, and has to."""
    rows = await db.fetch(SQL["collectable"], ordered.guest_id, ordered.within, limit)
    return [(SessionId(row["session_id"]), row["participant_no"]) for row in rows]


async def undecided(db: Db, session_id: SessionId, participant_no: int) -> list[Refund]:
    """Refunds of a part that wait for a second admin."""
    return many(await db.fetch(SQL["undecided"], session_id, participant_no), Refund)


async def tries(db: Db, restitution_id: str, session_id: SessionId, participant_no: int) -> list[int]:
    """When each refund of this part was made that failed, in Unix milliseconds."""
    rows = await db.fetch(SQL["tries"], restitution_id, session_id, participant_no)
    return [row["created_at_ms"] for row in rows]


async def insert_whole_refund(
    db: Db,
    *,
    refund_id: str,
    session_id: SessionId,
    participant_no: int,
    amount_minor: int,
    currency: str,
    reason: bytes | None,
    ordered: Restitution,
    now_ms: int,
) -> Refund:
    """A refund that the rule itself approves, under the session's lock; its reason is sealed.

    Raises asyncpg.CheckViolationError when more would go back than was charged.
    """
    row = await db.fetchrow(
        SQL["insert_whole_refund"],
        refund_id,
        session_id,
        participant_no,
        amount_minor,
        currency,
        reason,
        ordered.ordered_by,
        ordered.id,
        now_ms,
    )
    inserted = one(row, Refund)
    if inserted is None:
        raise LookupError("The refund was not written.")
    return inserted


async def unpaid_charges(db: Db, ordered: Restitution) -> list[Operation]:
    """Charges that wait for their time, were not sent, and would have to go back."""
    return many(await db.fetch(SQL["unpaid_charges"], ordered.guest_id, ordered.within), Operation)


async def is_unfinished(db: Db, ordered: Restitution) -> bool:
    """Whether money that has to go back may still come in, or is on its way."""
    return bool(await db.fetchval(SQL["is_unfinished"], ordered.guest_id, ordered.id, ordered.within))


async def restitution_done(db: Db, restitution_id: str, *, now_ms: int) -> None:
    """Nothing is left to go back."""
    await db.execute(SQL["restitution_done"], restitution_id, now_ms)
