"""The retention duty in a process of its own: after so many batches it says so and waits for its end."""

import asyncio
import sys

from config.retention import periods
from hub.workers.retention import Retention
from store.postgres.pool import connect


async def main(dsn: str, time_ms: int, batch: int, stop_after: int) -> None:
    """Run it; it stands still after `stop_after` batches that removed something."""
    left = stop_after

    async def reached(table: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            print(f"reached {table}", flush=True)
            await asyncio.Event().wait()

    pool = await connect(dsn, size=2)
    await Retention(pool, periods(), now_ms=lambda: time_ms, batch=batch, reached=reached).run_once()
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], *(int(value) for value in sys.argv[2:])))
