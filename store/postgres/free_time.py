"""Free seconds: once a person and once a card, whoever has it.

A card is known by its mark, a keyed hash (`Keyring.card_mark`): it tells a card that comes again, also after
everything else about its owner was removed.
"""

import asyncpg

from rooms.ids import SessionId, UserId
from store.postgres.pool import Db
from store.postgres.statements import statements

SQL = statements("free_time")

STALE_MS = 600_000
"""A grant whose session is not on record after this belongs to a request that came to nothing."""


async def grant(
    pool: asyncpg.Pool, session_id: SessionId, guest_id: UserId, card_mark: str, *, now_ms: int
) -> bool:
    """Give a session its guest's free seconds; False when the guest or the card has had them.

    Asked again for the same session, it gives the same answer.
    """
    async with pool.acquire() as connection, connection.transaction():
        await release_stale(connection, guest_id, card_mark, now_ms=now_ms)
        return await grant_free(connection, session_id, guest_id, card_mark, now_ms=now_ms)


async def release_stale(db: Db, guest_id: UserId, card_mark: str, *, now_ms: int) -> None:
    """Take back what was granted to requests that never became sessions."""
    await db.execute(SQL["release_stale"], guest_id, card_mark, now_ms, now_ms - STALE_MS)


async def grant_free(db: Db, session_id: SessionId, guest_id: UserId, card_mark: str, *, now_ms: int) -> bool:
    """Whether the session has the free seconds."""
    return bool(await db.fetchval(SQL["grant_free"], session_id, guest_id, card_mark, now_ms))


async def had_free(db: Db, guest_id: UserId, card_mark: str | None) -> bool:
    """Whether the guest or the card has had them, or has them in a session that is open."""
    return bool(await db.fetchval(SQL["had_free"], guest_id, card_mark))


async def close_grant(db: Db, session_id: SessionId, guest_id: UserId, *, used: bool, now_ms: int) -> None:
    """The session is settled: its grant is used for good, or given back."""
    await db.execute(SQL["close_grant"], session_id, guest_id, used, now_ms)
