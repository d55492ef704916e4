"""Moves flags from the live store, where they were raised with their message, to the queue in Postgres.

Every hub and every worker does: a flag waits for nobody in particular. An entry leaves its stream only after
the commit, so a crash anywhere before repeats the work, and one flag a message absorbs the repeat.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import asyncpg
import structlog
from redis.asyncio import Redis

from config.settings import Settings
from hub import wall_clock
from hub.lifespan import Stores
from hub.moderation.flagging import Flagging, raise_flag
from hub.moderation.standards import standards
from hub.safety.distress import care
from hub.safety.notices import Teller
from hub.workers.settle import PASSING
from rooms.chat import needs_help
from rooms.ids import HubId, SessionId, UserId
from rooms.safety.raised import Raised
from store.postgres.cases import open_case
from store.redis import keys
from store.redis.bus import Bus
from store.redis.moderation import Moderation
from store.redis.notices import Notices
from store.redis.raised import Entry, RaisedQueue
from store.redis.rooms import Rooms

log = structlog.get_logger()

LOOK_S = 2.5
"""How often every bucket is looked at, for what nobody was woken for and what others left."""
TRIES = 5
"""Failures of one entry, for reasons of its own, after which a person is told."""
TRIES_KEPT = 10_000

Raise = Callable[[Raised], Awaitable[object]]
"""Puts one flag into the queue. The second time is harmless."""
GaveUp = Callable[[Raised], Awaitable[object]]
"""Tells a person about a flag that does not go into the queue."""


class NotYet(Exception):
    """The flag is in the queue, and something beside it is not certain to be done."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What telling people something takes of a process without their sockets."""

    notices: Notices
    pool: asyncpg.Pool


def duty(settings: Settings, stores: Stores, *, consumer: str) -> "Flags":
    """The duty of a process, from its parts. `consumer` names the process among those that share the work."""
    parts = Flagging(
        stores.pool, stores.keyring, Moderation(stores.redis), standards(settings), wall_clock.now_ms
    )

    async def gave_up(raised: Raised) -> None:
        await open_case(
            stores.pool,
            "flag_not_raised",
            session_id=SessionId(raised.session_id),
            detail={"flag_id": raised.flag_id, "rule": raised.rule},
            now_ms=wall_clock.now_ms(),
            subject=raised.message_id,
        )

    return duty_of(parts, stores.redis, consumer=consumer, gave_up=gave_up)


def duty_of(parts: Flagging, redis: Redis, *, consumer: str, gave_up: GaveUp) -> "Flags":
    """The duty that also tells whoever is in danger where help is, in case nobody could."""
    rooms = Rooms(redis, hub=lambda: HubId(consumer), tell=lambda _room, _news, _now_ms: [])
    teller = Voice(Notices(redis), parts.pool)

    async def raise_(raised: Raised) -> None:
        known = await _help(teller, rooms, raised)
        await raise_flag(parts, raised)
        if not known:
            raise NotYet

    return Flags(RaisedQueue(redis, consumer=consumer), raise_, gave_up=gave_up)


async def _help(teller: Teller, rooms: Rooms, raised: Raised) -> bool:
    """Whether whoever may be in danger knows where help is, should the hub that took their message have died
    before it could say so.
    """
    if not needs_help(raised.category, raised.severity):
        return True
    session_id = SessionId(raised.session_id)
    loaded = await rooms.load(session_id)
    practitioner = None if loaded is None else loaded.room.practitioner.user_id
    return await care(teller, session_id, UserId(raised.user_id), practitioner)


class Flags:
    """The duty of one process. `wake(bucket)` when something was raised there."""

    def __init__(
        self,
        queue: RaisedQueue,
        raise_flag: Raise,
        *,
        gave_up: GaveUp,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.queue = queue
        self._raise = raise_flag
        self._gave_up = gave_up
        self._monotonic_s = monotonic_s
        self._woken = asyncio.Event()
        self._buckets: set[str] = set()
        self._looked_s = -LOOK_S
        self._failures: Counter[str] = Counter()

    def wake(self, bucket: str) -> None:
        """Something was raised in this bucket."""
        self._buckets.add(bucket)
        self._woken.set()

    def listen(self, bus: Bus) -> None:
        """Be woken by every bucket from now on."""
        for bucket in keys.BUCKETS:
            bus.listen(keys.raised(bucket), partial(self._hear, bucket))

    def _hear(self, bucket: str, _message: bytes) -> None:
        self.wake(bucket)

    def look_everywhere(self) -> None:
        """The bus was away: nobody knows what was missed."""
        self._looked_s = -LOOK_S
        self._woken.set()

    async def when_woken(self) -> None:
        """Move what was raised, now or at the latest at the next look."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._woken.wait()
        self._woken.clear()
        await self.run_once()

    async def run_once(self) -> int:
        """Move what waits; how many flags that were. Raises when a store is away: then they wait."""
        buckets, self._buckets = self._buckets, set()
        moved = await self._move_all(self.queue.take, buckets)
        if self._monotonic_s() - self._looked_s >= LOOK_S:
            filled = await self.queue.filled()
            moved += await self._move_all(self.queue.take, filled)
            moved += await self._move_all(self.queue.take_over, filled)
            self._looked_s = self._monotonic_s()
        return moved

    async def _move_all(
        self, take: Callable[[Iterable[str]], Awaitable[list[Entry]]], buckets: Iterable[str]
    ) -> int:
        moved, waiting = 0, list(buckets)
        while waiting and (entries := await take(waiting)):
            for entry in entries:
                moved += await self._move(entry)
        return moved

    async def _move(self, entry: Entry) -> bool:
        try:
            await self._raise(entry.raised)
        except PASSING:
            raise
        except NotYet:
            # Whoever is at it may die of it: it stays taken, and is taken over a little later.
            return False
        except Exception as error:  # noqa: BLE001 - one bad flag must not hold up all others
            await self._report(entry, error)
            return False
        # Only now: a crash before this line repeats the work.
        await self.queue.done(entry)
        self._failures.pop(entry.token, None)
        return True

    async def _report(self, entry: Entry, error: Exception) -> None:
        self._failures[entry.token] += 1
        failures = self._failures[entry.token]
        log.error("flag.not_raised", flag=entry.raised.flag_id, error=type(error).__name__, failures=failures)
        if len(self._failures) > TRIES_KEPT:
            self._failures.clear()
        if failures >= TRIES:
            await self._gave_up(entry.raised)
