"""The duty about bookings as a worker has it, on the stores that it is given."""

from collections.abc import Callable
from typing import Any

import asyncpg
from redis.asyncio import Redis

from hub.bookings.rooms import BookingRooms
from hub.live import Live
from hub.tell import tell
from hub.workers.bookings import Bookings, Reached
from rooms.bookings.times import Times
from rooms.ids import HubId
from rooms.room import Limits
from store.redis.directory import Directory
from store.redis.people import People
from store.redis.rooms import Rooms

ENVIRONMENT = "test"
TIMES = Times()


def live_of(redis: Redis) -> tuple[Live, People, Directory]:
    """A worker's door to the rooms; nobody is connected anywhere."""
    people, directory, here = People(redis), Directory(redis), HubId("worker")

    async def unheard(_: HubId) -> dict[Any, int]:
        return {}

    live = Live(
        Rooms(redis, hub=lambda: here, tell=tell),
        people,
        directory,
        heard_here=lambda _: {},
        heard_elsewhere=unheard,
        here=lambda: here,
    )
    return live, people, directory


def rooms_of(pool: asyncpg.Pool, live: Live, now_ms: Callable[[], int], times: Times = TIMES) -> BookingRooms:
    """Where rooms of bookings are made."""
    return BookingRooms(
        pool,
        live,
        environment=ENVIRONMENT,
        return_url="http://127.0.0.1",
        limits=Limits(),
        times=times,
        now_ms=now_ms,
    )


def duty_of(
    pool: asyncpg.Pool,
    redis: Redis,
    now_ms: Callable[[], int],
    *,
    reached: Reached | None = None,
    times: Times = TIMES,
) -> Bookings:
    """The duty."""
    live, people, directory = live_of(redis)
    more: dict[str, Any] = {} if reached is None else {"reached": reached}
    return Bookings(rooms_of(pool, live, now_ms, times), people, directory, now_ms=now_ms, **more)
