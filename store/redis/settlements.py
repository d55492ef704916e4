"""The queue of parts of sessions to go on record. An entry is a wake-up: the frozen room says the rest.

An entry leaves the queue only after its record is committed. What a dead worker had taken is taken over.
"""

import time
from collections.abc import Callable
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from rooms.ids import SessionId, UserId
from store.redis import keys
from store.redis.command import command
from store.redis.script import Script

GROUP = "settle"
TAKEN_OVER_AFTER_MS = 15_000
"""A worker that holds an entry for this long without committing is taken for dead."""
LOOK_FOR_LEFT_S = 5.0
"""How often entries of dead workers are looked for: it asks every bucket."""
ROOM_KEPT_S = 900
"""How long a settled room stays in the store, for those who still ask."""

_forget = Script("room_forget")


class Entry(NamedTuple):
    """A guest's part of a session. `token` names it in the queue; empty when found by the sweep."""

    session_id: SessionId
    guest_id: UserId
    token: str


class SettlementQueue:
    """The settlement streams of all buckets, read as one member of their consumer group."""

    def __init__(
        self, redis: Redis, *, consumer: str, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._redis = redis
        self._consumer = consumer
        self._monotonic_s = monotonic_s
        self._ready = False
        self._looked_s = -LOOK_FOR_LEFT_S

    async def take(self, limit: int = 50) -> list[Entry]:
        """New entries, and those that dead workers left."""
        await self._make_groups()
        try:
            return await self._take(limit)
        except ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            # The store lost its groups along with its data; they are made anew at the next look.
            self._ready = False
            return []

    async def _take(self, limit: int) -> list[Entry]:
        entries = await self._new(limit)
        if entries or self._monotonic_s() - self._looked_s < LOOK_FOR_LEFT_S:
            return entries
        self._looked_s = self._monotonic_s()
        return await self._left(limit)

    async def _make_groups(self) -> None:
        if self._ready:
            return
        pipe = self._redis.pipeline(transaction=False)
        for bucket in keys.BUCKETS:
            pipe.xgroup_create(keys.settlements(bucket), GROUP, id="0", mkstream=True)
        for answer in await pipe.execute(raise_on_error=False):
            if isinstance(answer, Exception) and not str(answer).startswith("BUSYGROUP"):
                raise answer
        self._ready = True

    async def _new(self, limit: int) -> list[Entry]:
        lengths = self._redis.pipeline(transaction=False)
        for bucket in keys.BUCKETS:
            lengths.xlen(keys.settlements(bucket))
        filled = [b for b, length in zip(keys.BUCKETS, await lengths.execute(), strict=True) if length]
        found: list[Entry] = []
        for bucket in filled:
            key = keys.settlements(bucket)
            answer = await command(
                self._redis,
                "XREADGROUP",
                "GROUP",
                GROUP,
                self._consumer,
                "COUNT",
                limit,
                "STREAMS",
                key,
                ">",
            )
            for _, entries in answer:
                found += [_entry(token, fields) for token, fields in entries]
            if len(found) >= limit:
                break
        return found

    async def _left(self, limit: int) -> list[Entry]:
        pipe = self._redis.pipeline(transaction=False)
        for bucket in keys.BUCKETS:
            pipe.xautoclaim(
                keys.settlements(bucket), GROUP, self._consumer, TAKEN_OVER_AFTER_MS, "0-0", count=limit
            )
        return [
            _entry(token, fields) for answer in await pipe.execute() for token, fields in answer[1] if fields
        ]

    async def done(self, entry: Entry) -> None:
        """The part is on record: take the entry out and let the room expire."""
        room = entry.session_id
        bucket = keys.bucket(room)
        await _forget.run(
            self._redis,
            [
                keys.settlements(bucket),
                keys.index(bucket),
                keys.room(room),
                keys.log(room),
                keys.chat(room),
                keys.seen(room),
                keys.held(room),
                keys.removed(room),
            ],
            [GROUP, entry.token, room, ROOM_KEPT_S],
        )

    async def answered(self, entry: Entry) -> None:
        """The part is on record, and others of its room are not: take the entry out, and keep the room."""
        if entry.token:
            stream = keys.settlements(keys.bucket(entry.session_id))
            await command(self._redis, "XACK", stream, GROUP, entry.token)
            await command(self._redis, "XDEL", stream, entry.token)


def _entry(token: bytes, fields: dict[bytes, bytes]) -> Entry:
    return Entry(SessionId(fields[b"s"].decode()), UserId(fields[b"g"].decode()), token.decode())
