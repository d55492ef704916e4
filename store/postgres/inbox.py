"""The inbox of vendors' calls: a call that was verified is kept once, whatever the vendor repeats."""

from typing import Any

from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements
from store.records import InboxEvent

SQL = statements("inbox")


async def insert_event(
    db: Db,
    *,
    event_id: str,
    source: str,
    type: str,  # noqa: A002 - the vendors' own word for it
    object_id: str | None,
    payload: dict[str, Any],
    now_ms: int,
) -> bool:
    """Keep a call; False when it had come before."""
    kept = await db.fetchval(SQL["insert_event"], event_id, source, type, object_id, payload, now_ms)
    return kept is not None


async def due_events(db: Db, *, now_ms: int, limit: int, lease_ms: int) -> list[InboxEvent]:
    """Take up to `limit` calls that wait; each comes again after `lease_ms` unless it is marked."""
    return many(await db.fetch(SQL["due_events"], now_ms, limit, lease_ms), InboxEvent)


async def event_done(db: Db, event_id: str, *, note: str | None = None) -> None:
    """It was applied, or there was nothing to apply."""
    await db.execute(SQL["event_done"], event_id, note)


async def event_again(db: Db, event_id: str, *, next_at_ms: int, note: str) -> None:
    """It could not be applied yet; it comes again at `next_at_ms`."""
    await db.execute(SQL["event_again"], event_id, next_at_ms, note)


async def event_failed(db: Db, event_id: str, *, note: str) -> None:
    """It will never be applied; the row stays for a person to look at."""
    await db.execute(SQL["event_failed"], event_id, note)
