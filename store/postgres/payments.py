"""Sessions whose money has all moved."""

from rooms.ids import SessionId
from store.postgres.pool import Db
from store.postgres.statements import statements

SQL = statements("payments")


async def charged(db: Db, *, limit: int, session_id: SessionId | None = None) -> list[SessionId]:
    """Sessions on record, or this one, with nothing more to charge or release and not marked as settled."""
    rows = await db.fetch(SQL["charged"], limit, session_id)
    return [SessionId(row["id"]) for row in rows]
