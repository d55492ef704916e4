"""What admins do and look at: actions, which stay, and cases."""

from typing import Any

from rooms.ids import SessionId, UserId
from store.money_records import AdminAction, Case
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("admin")


async def note_action(
    db: Db,
    admin_id: UserId,
    action: str,
    *,
    subject: str,
    session_id: SessionId | None,
    reason: str,
    detail: dict[str, Any],
    now_ms: int,
) -> None:
    """Put on record who did what and why, in the transaction of what was done."""
    await db.execute(SQL["note_action"], admin_id, action, subject, session_id, reason, detail, now_ms)


async def actions(db: Db, *, before: int | None, limit: int) -> list[AdminAction]:
    """What was done, the newest first."""
    return many(await db.fetch(SQL["actions"], before, limit), AdminAction)


async def cases(db: Db, *, only_open: bool, before: str | None, limit: int) -> list[Case]:
    """Cases, the newest first."""
    return many(await db.fetch(SQL["cases"], only_open, before, limit), Case)


async def close_case(db: Db, case_id: str, *, now_ms: int) -> Case | None:
    """Somebody has looked at it; None when there is no such case, or it is closed."""
    return one(await db.fetchrow(SQL["close_case"], case_id, now_ms), Case)


async def one_case(db: Db, case_id: str) -> Case | None:
    """One case."""
    return one(await db.fetchrow(SQL["one_case"], case_id), Case)
