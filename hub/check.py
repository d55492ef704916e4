"""`python -m hub check`: whether everything that must hold of the money on record does.

It reads and changes nothing, so it may run beside hubs and workers at any time.
"""

import asyncio
import sys
from typing import Final

from config.settings import Settings
from hub import lifespan, wall_clock
from store.postgres import invariant

SHOWN: Final = 3
"""Rows that are printed of each invariant that does not hold."""


async def run(settings: Settings, _stop: asyncio.Event) -> int:
    """One line an invariant on standard output. 0 when all hold, 1 otherwise."""
    code = 0
    async with lifespan.postgres_pool(settings) as pool:
        for name in invariant.names():
            broken = await invariant.broken(pool, name, now_ms=wall_clock.now_ms())
            code = 1 if broken else code
            sys.stdout.write(f"{'broken' if broken else 'holds '}  {name}{_shown(broken)}\n")
    return code


def _shown(broken: list[dict[str, object]]) -> str:
    if not broken:
        return ""
    rows = ["  ".join(f"{key}={value}" for key, value in row.items()) for row in broken[:SHOWN]]
    return f": {len(broken)}" + "".join(f"\n          {row}" for row in rows)
