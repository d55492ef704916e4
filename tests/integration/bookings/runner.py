"""The duty about bookings in a process of its own: at one of its steps it says so and waits for its end."""

import asyncio
import sys

from store.postgres.pool import connect
from store.redis.connect import connect as connect_redis
from tests.integration.bookings.parts import duty_of


async def main(dsn: str, redis_url: str, stop_at: str, time_ms: int) -> None:
    async def reached(step: str) -> None:
        if step == stop_at:
            print(step, flush=True)
            await asyncio.Event().wait()

    pool, redis = await connect(dsn, size=4), connect_redis(redis_url)
    await duty_of(pool, redis, lambda: time_ms, reached=reached).run_once()
    print("done", flush=True)


if __name__ == "__main__":
    dsn, redis_url, stop_at, time_ms = sys.argv[1:]
    asyncio.run(main(dsn, redis_url, stop_at, int(time_ms)))
