"""The waiting list's duty in a process of its own, which a test kills.

`offerer.py DSN REDIS_URL POINT NOW_MS`: once the point is reached it says so and goes no further.
"""

import asyncio
import sys

from redis.asyncio import Redis

from hub.workers.waitlist import Waitlist
from rooms.ids import SessionId
from store.postgres.pool import connect as connect_postgres
from store.redis.connect import connect
from store.redis.directory import Directory
from store.redis.notices import Notices
from store.redis.people import People

OFFER_MS = 60_000


async def never(_session: SessionId) -> bool:
    return False


def duty_of(pool: object, redis: Redis, **more: object) -> Waitlist:
    return Waitlist(
        pool,  # type: ignore[arg-type]
        Directory(redis),
        People(redis),
        Notices(redis),
        is_over=never,
        offer_ms=OFFER_MS,
        quiet_ms=25 * 60_000,
        **more,  # type: ignore[arg-type]
    )


async def main(dsn: str, redis_url: str, point: str, now_ms: str) -> None:
    pool, redis = await connect_postgres(dsn, size=2), connect(redis_url)

    async def reached(step: str) -> None:
        if step == point:
            print(point, flush=True)
            await asyncio.Event().wait()

    await duty_of(pool, redis, now_ms=lambda: int(now_ms), reached=reached).run_once()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
