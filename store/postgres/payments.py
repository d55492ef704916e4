"""Sessions whose money has all moved."""

from rooms.ids import SessionId
from store.postgres.pool import Db
from store.postgres.statements import statements

SQL = statements("payments")


async def charged(db: Db, *, limit: int) -> list[SessionId]:
    """Ended sessions on record with nothing more to charge or release, and not marked as settled."""
    rows = await db.fetch(SQL["charged"], limit)
    return [SessionId(row["id"]) for row in rows]


async def is_charged(db: Db, session_id: SessionId) -> bool:
    """Whether this session is on record with nothing more to charge or release, and not marked as settled."""
    return bool(await db.fetchval(SQL["is_charged"], session_id))
