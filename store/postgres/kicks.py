"""Orders to put somebody out of a media channel: a row each, until the vendor knows."""

from typing import Literal

from msgspec import Struct

from rooms.ids import SessionId, UserId
from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements

SQL = statements("kicks")

Ended = Literal["done", "not_needed", "gave_up"]


class Kick(Struct, frozen=True):
    """One order. After `until_ms`, Unix milliseconds, the person's token is worth nothing anyway."""

    id: int
    session_id: SessionId
    user_id: UserId
    channel: str
    uid: int
    until_ms: int
    attempts: int


async def order(
    db: Db, *, session_id: str, user_id: str, channel: str, uid: int, until_ms: int, now_ms: int
) -> None:
    """Want somebody out until a time. Repeated, it changes nothing, or makes it longer, done or not."""
    await db.execute(SQL["order"], session_id, user_id, channel, uid, until_ms, now_ms)


async def due(db: Db, *, now_ms: int, limit: int, lease_ms: int) -> list[Kick]:
    """Orders to carry out now; nobody else gets them before the lease is over."""
    return many(await db.fetch(SQL["due"], now_ms, limit, lease_ms), Kick)


async def done(db: Db, kick_id: int, state: Ended, *, rule_id: int | None, now_ms: int) -> None:
    """Nothing is left to do."""
    await db.execute(SQL["done"], kick_id, state, rule_id, now_ms)


async def again(db: Db, kick_id: int, *, next_at_ms: int) -> None:
    """It did not go through; once more at that time."""
    await db.execute(SQL["again"], kick_id, next_at_ms)
