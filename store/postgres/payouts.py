"""Practitioners' accounts at Stripe, what they have earned, and what reached their banks."""

from rooms.ids import SessionId, UserId
from store.money_records import ConnectedAccount, Earned, EarnedSession
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("payouts")


async def practitioner_of(db: Db, stripe_account: str) -> UserId | None:
    """Whose account this is."""
    found: UserId | None = await db.fetchval(SQL["practitioner_of"], stripe_account)
    return found


async def accounts(db: Db, *, after: UserId | None, limit: int) -> list[tuple[UserId, str]]:
    """Who has an account and which, in the order of the practitioners' ids."""
    rows = await db.fetch(SQL["accounts"], after, limit)
    return [(UserId(row["practitioner_id"]), row["stripe_account"]) for row in rows]


async def account(db: Db, practitioner_id: UserId) -> ConnectedAccount | None:
    """Where their earnings go; None without a practice."""
    return one(await db.fetchrow(SQL["account"], practitioner_id), ConnectedAccount)


async def lock_account(db: Db, practitioner_id: UserId) -> ConnectedAccount | None:
    """The same, and decide about their debts alone until the transaction ends."""
    return one(await db.fetchrow(SQL["lock_account"], practitioner_id), ConnectedAccount)


async def keep_account(db: Db, practitioner_id: UserId, *, account_no: int, stripe_account: str) -> bool:
    """Keep the account that was created for them; False when another one was kept meanwhile."""
    kept = await db.fetchval(SQL["keep_account"], practitioner_id, account_no, stripe_account)
    return kept is not None


async def drop_account(db: Db, practitioner_id: UserId, stripe_account: str) -> None:
    """The account is no longer ours to use; the next one gets the next number."""
    await db.execute(SQL["drop_account"], practitioner_id, stripe_account)


async def save_payout(
    db: Db,
    *,
    payout_id: str,
    practitioner_id: UserId,
    amount_minor: int,
    currency: str,
    status: str,
    arrival_at_ms: int,
    created_at_ms: int,
    now_ms: int,
) -> None:
    """Note a payout as it is at Stripe now."""
    await db.execute(
        SQL["save_payout"],
        payout_id,
        practitioner_id,
        amount_minor,
        currency,
        status,
        arrival_at_ms,
        created_at_ms,
        now_ms,
    )


async def debt(db: Db, practitioner_id: UserId, currency: str) -> int:
    """What they have to give back, in minor units."""
    return int(await db.fetchval(SQL["debt"], practitioner_id, currency))


async def earnings(db: Db, practitioner_id: UserId) -> list[Earned]:
    """By currency, from the ledger."""
    return many(await db.fetch(SQL["earnings"], practitioner_id), Earned)


async def earned_sessions(
    db: Db, practitioner_id: UserId, *, before: SessionId | None, limit: int
) -> list[EarnedSession]:
    """Their settled sessions, the newest first."""
    return many(await db.fetch(SQL["earned_sessions"], practitioner_id, before, limit), EarnedSession)


async def untransferred(db: Db, *, limit: int) -> list[tuple[SessionId, int]]:
    """Guests' parts that were collected and have no transfer, though there is an account now."""
    rows = await db.fetch(SQL["untransferred"], limit)
    return [(SessionId(row["session_id"]), row["participant_no"]) for row in rows]


async def promised_within(db: Db, session_id: SessionId, participant_no: int, *, span_ms: int) -> int:
    """What a practitioner was promised for free time in the time up to this settlement, in minor units."""
    return int(await db.fetchval(SQL["promised_within"], session_id, participant_no, span_ms))
