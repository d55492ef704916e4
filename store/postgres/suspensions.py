"""Suspensions as rows: the truth about who may not connect; the live store only remembers it."""

from typing import Literal

from rooms.ids import UserId
from store.moderation_records import Suspension
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("suspensions")

SHOWN_MAX = 50


async def insert_suspension(
    db: Db,
    action_id: str,
    user_id: UserId,
    *,
    reason: Literal["conduct", "minor"],
    from_ms: int,
    until_ms: int | None,
) -> None:
    """From now on the person may not connect."""
    await db.execute(SQL["insert_suspension"], action_id, user_id, reason, from_ms, until_ms)


async def current(db: Db, user_id: UserId, *, now_ms: int) -> Suspension | None:
    """What keeps the person out, if anything does."""
    return one(await db.fetchrow(SQL["current"], user_id, now_ms), Suspension)


async def is_suspended(db: Db, user_id: UserId, now_ms: int) -> bool:
    """Whether the person may not connect."""
    return await current(db, user_id, now_ms=now_ms) is not None


async def lift(db: Db, action_id: str, *, now_ms: int) -> bool:
    """It was overruled. False when that is known, or the action suspended nobody."""
    return await db.fetchval(SQL["lift"], action_id, now_ms) is not None


async def all_current(db: Db, *, now_ms: int, after: str | None, limit: int) -> list[Suspension]:
    """Everyone who may not connect, in the order of the actions, after that one."""
    return many(await db.fetch(SQL["all_current"], now_ms, after, limit), Suspension)


async def suspensions_of(db: Db, who: UserId, user_id: UserId) -> list[Suspension]:
    """A person's suspensions, the newest first, as this moderator may see them."""
    return many(await db.fetch(SQL["suspensions_of"], who, user_id, SHOWN_MAX), Suspension)
