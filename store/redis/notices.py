"""What is said to one person, wherever they are connected: over the channel that each of their hubs hears."""

import msgpack
from redis.asyncio import Redis

from rooms.ids import SessionId, UserId
from store.redis import keys
from store.redis.command import command
from store.redis.script import Script

_once = Script("notice_once")

NOTICE = "notice"
"""The kind of message on a person's channel that carries a notice."""
EXPORT = "export"
"""The kind that tells how far one's export is."""
LEAVING = "leaving"
"""The kind that tells that somebody is to be erased, or stays after all."""
UNDER_WAY, KNOWN = b"0", b"1"


class Notices:
    """Publishes to people's channels."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def tell(self, user_id: UserId, payload: bytes, *, kind: str = NOTICE) -> None:
        """Every hub on which the person is connected hears it now; nobody keeps it."""
        message = bytes(msgpack.packb([kind, payload]))
        await command(self._redis, "SPUBLISH", keys.person(user_id), message)

    async def tell_once(self, user_id: UserId, kind: str, payload: bytes, *, mark: str, for_s: int) -> int:
        """The same under a name: `mark` is a key of this person. Gives how many hubs heard it, or -1 when it
        was told before, by whomever.
        """
        message = bytes(msgpack.packb([kind, payload]))
        return int(await _once.run(self._redis, [mark], [for_s, keys.person(user_id), message]))

    async def is_heard(self, user_id: UserId) -> bool:
        """Whether any hub hears for this person: they have a socket somewhere."""
        counts = await command(self._redis, "PUBSUB", "SHARDNUMSUB", keys.person(user_id))
        return bool(int(counts[1]))

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
