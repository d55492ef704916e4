"""Which hub processes live, and what is to be closed when one is lost.

Every hub start has an incarnation. It beats once a second for all its sockets. Whoever finds one silent
fences it in every bucket first, so that it can write nothing more, and only then closes its meters.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from redis.asyncio import Redis

from rooms.ids import ConnectionId, HubId, SessionId, UserId
from store.redis import keys
from store.redis.command import command
from store.redis.script import Script

_beat = Script("hub_beat")

KEPT_S = 86_400
"""How long fences and proofs of a lost hub are kept."""


@dataclass(frozen=True, slots=True)
class Beat:
    """The answer to a heartbeat. `epoch` is None when the store has none: its data is gone."""

    now_ms: int
    swept: bool
    epoch: str | None


class Hubs:
    """The living hubs and their proofs."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def beat(self, hub: HubId, heard: Mapping[ConnectionId, int | None]) -> Beat:
        """Say that a hub lives and when its sockets in rooms were heard (ms); None: the socket left."""
        pairs = [part for id_, at_ms in heard.items() for part in (id_, "" if at_ms is None else at_ms)]
        now_ms, swept, epoch = await _beat.run(
            self._redis, [keys.HUBS, keys.beat(hub), keys.SWEPT, keys.EPOCH], [hub, KEPT_S, *pairs]
        )
        return Beat(int(now_ms), swept == b"1", epoch.decode() or None)

    async def retire(self, hub: HubId) -> None:
        """A hub stops in good order: its sockets are closed and proven already."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.zrem(keys.HUBS, hub)
        pipe.delete(keys.beat(hub), keys.hub_people(hub))
        for bucket in keys.BUCKETS:
            pipe.delete(keys.hub_rooms(bucket, hub))
        await pipe.execute()

    async def last_beats(self) -> dict[HubId, int]:
        """Each hub that is not retired and when it last beat, ms."""
        entries = await command(self._redis, "ZRANGE", keys.HUBS, 0, -1, "WITHSCORES")
        return {HubId(hub.decode()): int(at) for hub, at in zip(entries[::2], entries[1::2], strict=True)}

    async def proofs(self, hub: HubId) -> dict[ConnectionId, int]:
        """When each socket of a hub was last heard, never later than the hub's own last beat."""
        last_ms = await command(self._redis, "ZSCORE", keys.HUBS, hub)
        heard = await command(self._redis, "HGETALL", keys.beat(hub))
        limit = int(last_ms) if last_ms is not None else None
        return {
            ConnectionId(connection.decode()): int(at_ms) if limit is None else min(int(at_ms), limit)
            for connection, at_ms in heard.items()
        }

    async def fence(self, hub: HubId) -> None:
        """From now on no bucket takes a write of this hub."""
        await command(self._redis, "SADD", keys.SWEPT, hub)
        pipe = self._redis.pipeline(transaction=False)
        for bucket in keys.BUCKETS:
            pipe.set(keys.fence(bucket, hub), 1, ex=KEPT_S)
        await pipe.execute()

    async def rooms_of(self, hub: HubId) -> list[SessionId]:
        """Rooms in which sockets of the hub are or were."""
        pipe = self._redis.pipeline(transaction=False)
        for bucket in keys.BUCKETS:
            pipe.smembers(keys.hub_rooms(bucket, hub))
        return [SessionId(member.decode()) for members in await pipe.execute() for member in members]

    async def people_of(self, hub: HubId) -> list[UserId]:
        """Practitioners who went online through the hub."""
        members = await command(self._redis, "SMEMBERS", keys.hub_people(hub))
        return [UserId(member.decode()) for member in members]

    async def epoch(self) -> str | None:
        """The epoch of the store's data."""
        epoch = await command(self._redis, "GET", keys.EPOCH)
        return epoch.decode() if epoch else None

    async def set_epoch(self, epoch: str) -> None:
        """The store's data is whole as of this epoch."""
        await command(self._redis, "SET", keys.EPOCH, epoch)
