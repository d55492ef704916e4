"""The recordings duty in a process of its own: at the recovery point it says so and waits for its end."""

import asyncio
import sys

import aiohttp

from store.postgres.pool import connect
from store.redis.connect import connect as connect_redis
from tests.integration.recording.stage import duty_of


async def main(dsn: str, redis_url: str, base: str, stop_at: str, time_ms: int) -> None:
    async def reached(point: str) -> None:
        if point == stop_at:
            print(point, flush=True)
            await asyncio.Event().wait()

    pool, redis = await connect(dsn, size=4), connect_redis(redis_url)
    async with aiohttp.ClientSession() as http:
        duty = duty_of(pool, redis, http, base, lambda: time_ms, reached=reached)
        await duty.run_once()
    print("done", flush=True)


if __name__ == "__main__":
    dsn, redis_url, base, stop_at, time_ms = sys.argv[1:]
    asyncio.run(main(dsn, redis_url, base, stop_at, int(time_ms)))
