"""Blocks as rows: made by one person, and true for both."""

from msgspec import Struct

from rooms.ids import UserId
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("blocks")


class BlockRecord(Struct, frozen=True):
    """Somebody whom one has blocked."""

    id: UserId
    name: str
    created_at_ms: int


async def blockable(db: Db, user_id: UserId) -> bool:
    """Whether whoever the connection acts as may block this person: somebody they can know of, not staff."""
    return bool(await db.fetchval(SQL["blockable"], user_id))


async def insert_block(db: Db, blocker_id: UserId, blocked_id: UserId, *, now_ms: int, most: int) -> bool:
    """Block. False when it is there already, or when the person has `most` of them."""
    return await db.fetchval(SQL["insert_block"], blocker_id, blocked_id, now_ms, most) is not None


async def delete_block(db: Db, blocker_id: UserId, blocked_id: UserId) -> bool:
    """Take it back. False when there was none."""
    return await db.fetchval(SQL["delete_block"], blocker_id, blocked_id) is not None


async def own_block(db: Db, blocked_id: UserId) -> BlockRecord | None:
    """Whether whoever the connection acts as has blocked this person."""
    return one(await db.fetchrow(SQL["own_block"], blocked_id), BlockRecord)


async def own_blocks(db: Db, *, after: UserId | None, limit: int) -> list[BlockRecord]:
    """Whom whoever the connection acts as has blocked."""
    return many(await db.fetch(SQL["own_blocks"], after, limit), BlockRecord)


async def blocked_with(db: Db, user_id: UserId) -> frozenset[UserId]:
    """Everyone with whom there is a block, whoever made it."""
    return frozenset(UserId(row["id"]) for row in await db.fetch(SQL["blocked_with"], user_id))


async def is_between(db: Db, one_id: UserId, other_id: UserId) -> bool:
    """Whether either blocked the other."""
    return bool(await db.fetchval(SQL["is_between"], one_id, other_id))
