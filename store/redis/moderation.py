"""What every hub has to know at once of the moderators' work: cases that change, and who may not connect.

Postgres has the truth of both. The live store only carries news, and remembers suspensions for speed.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgpack
from redis.asyncio import Redis

from rooms.ids import UserId
from store.redis import keys
from store.redis.command import command

SUSPENDED = "suspended"
"""The kind of message on a person's channel that says: may not connect any more."""
FOREVER = 0


class Told(NamedTuple):
    """A case as it is told between hubs. `concerned` must not hear of it; `body` is JSON."""

    flag_id: str
    version: int
    concerned: list[UserId]
    body: bytes


class Moderation:
    """The channel of cases, and the memory of suspensions."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def tell(self, told: Told) -> None:
        """Every hub hears of a case that is new or changed."""
        message = msgpack.packb([told.flag_id, told.version, list(told.concerned), told.body])
        await command(self._redis, "SPUBLISH", keys.MODERATION, bytes(message))

    async def suspend(self, user_id: UserId, *, until_ms: int | None) -> None:
        """Remember that the person may not connect; their hubs are told to let them go."""
        await self.remember(user_id, until_ms=until_ms)
        message = bytes(msgpack.packb([SUSPENDED, ""]))
        await command(self._redis, "SPUBLISH", keys.person(user_id), message)

    async def remember(self, user_id: UserId, *, until_ms: int | None) -> None:
        """The same without telling anybody, for what the store may have forgotten."""
        if until_ms is None:
            await command(self._redis, "SET", keys.suspended(user_id), FOREVER)
        else:
            await command(self._redis, "SET", keys.suspended(user_id), until_ms, "PXAT", until_ms)

    async def lift(self, user_id: UserId) -> None:
        """The person may connect again."""
        await command(self._redis, "DEL", keys.suspended(user_id))

    async def suspended_until(self, user_id: UserId) -> int | None:
        """Until when the person may not connect, Unix milliseconds, or `FOREVER`; None if they may."""
        found = await command(self._redis, "GET", keys.suspended(user_id))
        return None if found is None else int(found)

    async def suspended(self, people: Sequence[UserId]) -> dict[UserId, int]:
        """Those of these people who may not connect, and until when."""
        pipe = self._redis.pipeline(transaction=False)
        for user_id in people:
            pipe.get(keys.suspended(user_id))
        found = await pipe.execute()
        return {who: int(until) for who, until in zip(people, found, strict=True) if until is not None}


def heard(message: bytes) -> Told:
    """A case as another hub told it."""
    flag_id, version, concerned, body = msgpack.unpackb(message)
    return Told(flag_id, version, [UserId(one) for one in concerned], body)
