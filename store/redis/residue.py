"""What the live store still has of somebody whose sessions are all on record: rooms with their name."""

from collections.abc import Sequence

from redis.asyncio import Redis

from rooms.ids import SessionId, UserId
from store.redis import keys


async def forget_rooms(redis: Redis, session_ids: Sequence[SessionId]) -> None:
    """Remove rooms that are settled, before they would expire by themselves. Repeated, it changes nothing."""
    pipe = redis.pipeline(transaction=False)
    for session_id in session_ids:
        # One command a key: of different sessions they lie in different slots.
        for key in (keys.room, keys.log, keys.chat, keys.seen, keys.held, keys.removed):
            pipe.unlink(key(session_id))
    await pipe.execute()


async def forget_person(redis: Redis, user_id: UserId) -> None:
    """Remove what is kept of how a person stands. That their sign-ins are over stays until it expires."""
    pipe = redis.pipeline(transaction=False)
    pipe.unlink(keys.person(user_id))
    pipe.unlink(keys.online(user_id))
    await pipe.execute()
