"""Cases: what a person has to look at, because no rule may decide it."""

from typing import Any

from rooms.ids import SessionId
from store.postgres.pool import Db
from store.postgres.statements import statements

SQL = statements("cases")


async def open_case(
    db: Db,
    kind: str,
    *,
    session_id: SessionId | None,
    detail: dict[str, Any],
    now_ms: int,
    subject: str | None = None,
) -> bool:
    """Open a case; False when one of this kind is open for the session, and the subject, already."""
    return await db.fetchval(SQL["open_case"], kind, session_id, detail, now_ms, subject) is not None


async def was_closed(db: Db, kind: str, *, session_id: SessionId, subject: str) -> bool:
    """Whether a person has looked at a case of this kind, and closed it."""
    return bool(await db.fetchval(SQL["was_closed"], kind, session_id, subject))
