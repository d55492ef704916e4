"""One export made in a process of its own: at the point it says so and waits for its end."""

import asyncio
import sys

from hub.workers.exports import Exports
from store.postgres.pool import connect
from store.privacy.keys import Keyring
from store.redis.connect import connect as connect_redis
from store.redis.notices import Notices
from tests.integration.exports.workshop import KEEP_MS, LEASE_MS, MASTER


async def main(dsn: str, redis_url: str, export_id: str, stop_at: str, time_ms: int) -> None:
    def now_ms() -> int:
        return time_ms

    async def reached(point: str) -> None:
        if point == stop_at:
            print(point, flush=True)
            await asyncio.Event().wait()

    pool, redis = await connect(dsn, size=4), connect_redis(redis_url)
    keyring = Keyring(MASTER, pool, now_ms=now_ms)
    duty = Exports(
        pool, Notices(redis), keyring, now_ms=now_ms, lease_ms=LEASE_MS, keep_ms=KEEP_MS, reached=reached
    )
    await duty.make(export_id)
    print("done", flush=True)


if __name__ == "__main__":
    dsn, redis_url, export_id, stop_at, time_ms = sys.argv[1:]
    asyncio.run(main(dsn, redis_url, export_id, stop_at, int(time_ms)))
