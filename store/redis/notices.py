"""What is said to one person, wherever they are connected: over the channel that each of their hubs hears."""

import msgpack
from redis.asyncio import Redis

from rooms.ids import SessionId, UserId
from store.redis import keys
from store.redis.command import command

NOTICE = "notice"
"""The kind of message on a person's channel that carries a notice."""


class Notices:
    """Publishes to people's channels."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def tell(self, user_id: UserId, payload: bytes) -> None:
        """Every hub on which the person is connected hears it now; nobody keeps it."""
        message = bytes(msgpack.packb([NOTICE, payload]))
        await command(self._redis, "SPUBLISH", keys.person(user_id), message)

    async def is_first(self, session_id: SessionId, user_id: UserId, *, within_s: int) -> bool:
        """Whether help is offered to this person, in this session, for the first time in so many seconds."""
        key = keys.calmed(session_id, user_id)
        return await command(self._redis, "SET", key, "1", "NX", "EX", within_s) is not None
