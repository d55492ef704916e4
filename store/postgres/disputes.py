"""Disputes on record."""

from typing import Any

from rooms.ids import SessionId
from store.money_records import Dispute, ShownDispute
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("disputes")


async def insert_dispute(
    db: Db,
    *,
    dispute_id: str,
    session_id: SessionId,
    participant_no: int,
    charge: str,
    intent: str,
    amount_minor: int,
    currency: str,
    reason: str,
    status: str,
    due_by_ms: int | None,
    opened_at_ms: int,
) -> Dispute | None:
    """Put a dispute on record, under the session's lock; None when it is known."""
    row = await db.fetchrow(
        SQL["insert_dispute"],
        dispute_id,
        session_id,
        participant_no,
        charge,
        intent,
        amount_minor,
        currency,
        reason,
        status,
        due_by_ms,
        opened_at_ms,
    )
    return one(row, Dispute)


async def dispute(db: Db, dispute_id: str) -> Dispute | None:
    """One dispute."""
    return one(await db.fetchrow(SQL["dispute"], dispute_id), Dispute)


async def move_dispute(
    db: Db, dispute_id: str, status: str, *, due_by_ms: int | None, closed_at_ms: int | None
) -> Dispute | None:
    """Note how it stands; None when it is closed."""
    row = await db.fetchrow(SQL["move_dispute"], dispute_id, status, due_by_ms, closed_at_ms)
    return one(row, Dispute)


async def open_disputes(db: Db, session_id: SessionId) -> bool:
    """Whether a bank has still to decide about one of the session's charges."""
    return bool(await db.fetchval(SQL["open_disputes"], session_id))


async def disputes(db: Db, *, only_open: bool, before: str | None, limit: int) -> list[ShownDispute]:
    """Disputes with their evidence."""
    return many(await db.fetch(SQL["disputes"], only_open, before, limit), ShownDispute)


async def metered(db: Db, session_id: SessionId, participant_no: int) -> dict[str, Any] | None:
    """What proves a charge: bill, times, and `intervals` as [participant, kind, from, to]."""
    row = await db.fetchrow(SQL["metered"], session_id, participant_no)
    return None if row is None else dict(row.items())
