"""What the directory shows of each practitioner, and its channel of changes."""

from collections.abc import Iterable
from typing import cast

import msgpack
from redis.asyncio import Redis

from rooms.directory import Standing, Status, status
from rooms.ids import UserId
from store.redis import keys
from store.redis.command import command
from store.redis.script import Script

_put = Script("directory_put")
_tell = Script("directory_tell")


class Directory:
    """The shown status of practitioners."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def show(self, standing: Standing) -> Status:
        """Show how a practitioner stands, unless something later is shown. Gives the status."""
        shown = status(standing)
        await _put.run(self._redis, [keys.DIRECTORY], [standing.user_id, standing.n, shown, keys.DIRECTORY])
        return shown

    async def tell(self, user_id: UserId, details: bytes) -> None:
        """Tell what a practitioner offers by now: `details` is a JSON object, passed on beside the status."""
        await _tell.run(self._redis, [keys.DIRECTORY], [user_id, details, keys.DIRECTORY])

    async def statuses(self, user_ids: Iterable[UserId]) -> dict[UserId, Status]:
        """The shown status of each; who was never shown is offline."""
        wanted = list(user_ids)
        if not wanted:
            return {}
        entries = await command(self._redis, "HMGET", keys.DIRECTORY, *wanted)
        return {
            user_id: _status(entry) if entry else "offline"
            for user_id, entry in zip(wanted, entries, strict=True)
        }

    async def not_offline(self) -> list[UserId]:
        """Everyone shown as online or busy."""
        entries = await command(self._redis, "HGETALL", keys.DIRECTORY)
        return [UserId(user.decode()) for user, entry in entries.items() if _status(entry) != "offline"]


def changed(message: bytes) -> tuple[UserId, Status, bytes | None]:
    """A message of the directory's channel: who, how they stand and, if that was told, what they offer."""
    user_id, shown, *details = msgpack.unpackb(message)
    return UserId(user_id), cast(Status, shown), details[0].encode() if details else None


def _status(entry: bytes) -> Status:
    return cast(Status, msgpack.unpackb(entry)[1])
