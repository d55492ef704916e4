"""Appeals as rows."""

from rooms.ids import UserId
from store.moderation_records import Appeal, AppealStatus, OwnAppeal
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("appeals")


async def insert_appeal(
    db: Db, appeal_id: str, *, action_id: str, user_id: UserId, text: bytes, now_ms: int
) -> bool:
    """Put it on record; False when something was said against this action before."""
    return await db.fetchval(SQL["insert_appeal"], appeal_id, action_id, user_id, text, now_ms) is not None


async def appeal_of_action(db: Db, action_id: str) -> Appeal | None:
    """What was said against an action."""
    return one(await db.fetchrow(SQL["appeal_of_action"], action_id), Appeal)


async def lock_appeal(db: Db, appeal_id: str) -> Appeal | None:
    """An appeal, for whoever decides about it in this transaction."""
    return one(await db.fetchrow(SQL["lock_appeal"], appeal_id), Appeal)


async def decide_appeal(
    db: Db, appeal_id: str, *, status: AppealStatus, decided_by: UserId, note: bytes, now_ms: int
) -> Appeal | None:
    """Decide it; None when it is decided."""
    row = await db.fetchrow(SQL["decide_appeal"], appeal_id, status, decided_by, note, now_ms)
    return one(row, Appeal)


async def appeals(db: Db, who: UserId, *, status: str | None, before: str | None, limit: int) -> list[Appeal]:
    """Appeals of others than whoever asks, the newest first."""
    return many(await db.fetch(SQL["appeals"], who, status, before, limit), Appeal)


async def own_appeals(db: Db, *, before: str | None, limit: int) -> list[OwnAppeal]:
    """The appeals of whoever the connection acts as."""
    return many(await db.fetch(SQL["own_appeals"], before, limit), OwnAppeal)
