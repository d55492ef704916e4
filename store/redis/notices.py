"""What is said to one person, wherever they are connected: over the channel that each of their hubs hears."""

import msgpack
from redis.asyncio import Redis

from rooms.ids import SessionId, UserId
from store.redis import keys
from store.redis.command import command

NOTICE = "notice"
"""The kind of message on a person's channel that carries a notice."""
UNDER_WAY, KNOWN = b"0", b"1"


class Notices:
    """Publishes to people's channels."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def tell(self, user_id: UserId, payload: bytes) -> None:
        """Every hub on which the person is connected hears it now; nobody keeps it."""
        message = bytes(msgpack.packb([NOTICE, payload]))
        await command(self._redis, "SPUBLISH", keys.person(user_id), message)

    async def is_first(self, session_id: SessionId, user_id: UserId, *, within_s: int) -> bool:
        """Whether nobody has offered help to this person in this session, or begun to; now the caller has."""
        key = keys.calmed(session_id, user_id)
        return await command(self._redis, "SET", key, UNDER_WAY, "NX", "EX", within_s) is not None

    async def keep_first(self, session_id: SessionId, user_id: UserId, *, for_s: int) -> None:
        """They know by now: for so many seconds nobody is the first any more."""
        await command(self._redis, "SET", keys.calmed(session_id, user_id), KNOWN, "EX", for_s)

    async def know(self, session_id: SessionId, user_id: UserId) -> bool:
        """Whether they were told lately, and not only begun to be."""
        return bool(await command(self._redis, "GET", keys.calmed(session_id, user_id)) == KNOWN)

    async def forget_first(self, session_id: SessionId, user_id: UserId) -> None:
        """They could not be told: whoever comes next is the first again."""
        await command(self._redis, "DEL", keys.calmed(session_id, user_id))
