"""The duty in a process of its own: at the step it says so and waits for its end."""

import asyncio
import sys

import aiohttp

from store.postgres.pool import connect
from tests.integration.reminders.desk import duty_of


async def main(dsn: str, base: str, public_url: str, stop_at: str, time_ms: int) -> None:
    async def reached(step: str) -> None:
        if step == stop_at:
            print(step, flush=True)
            await asyncio.Event().wait()

    pool = await connect(dsn, size=4)
    async with aiohttp.ClientSession() as http:
        await duty_of(pool, http, base, public_url, lambda: time_ms, reached=reached).run_once()
    print("done", flush=True)


if __name__ == "__main__":
    dsn, base, public_url, stop_at, time_ms = sys.argv[1:]
    asyncio.run(main(dsn, base, public_url, stop_at, int(time_ms)))
