"""What the live store still has of somebody whose sessions are all on record: rooms, and their own keys."""

from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis

from rooms.ids import SessionId, UserId
from store.redis import keys
from store.redis.command import command

SCAN: Final = 1_000
"""Keys looked at in one step."""


async def forget_rooms(redis: Redis, session_ids: Sequence[SessionId]) -> None:
    """Remove rooms that are settled, before they would expire by themselves. Repeated, it changes nothing."""
    pipe = redis.pipeline(transaction=False)
    for session_id in session_ids:
        # One command a key: of different sessions they lie in different slots.
        for key in (keys.room, keys.log, keys.chat, keys.seen, keys.held, keys.removed):
            pipe.unlink(key(session_id))
    await pipe.execute()


async def forget_person(redis: Redis, user_id: UserId) -> None:
    """Remove what is kept of how a person stands, and everything under their own tag, whatever it is called.

    That their sign-ins are over stays until it expires: a token of theirs may still be valid. It looks at
    all names of keys, once for each person who is erased.
    """
    stays = keys.revoked(user_id).encode()
    theirs = keys.person(user_id).partition(":")[2]
    async for key in redis.scan_iter(match=f"*:{theirs}*", count=SCAN):
        if key != stays:
            await command(redis, "UNLINK", key)
    await command(redis, "HDEL", keys.DIRECTORY, user_id)
    async for key in redis.scan_iter(match=keys.ALL_HUB_PEOPLE, count=SCAN):
        await command(redis, "SREM", key, user_id)
