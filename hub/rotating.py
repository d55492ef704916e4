"""`python -m hub rotate-key`: has every key wrapped by the new DATA_KEY now, and says how far that is.

Before it, each process is restarted with the new DATA_KEY and the one before in DATA_KEY_PREVIOUS; one that
knows the old key alone could not read what is wrapped from here on.
"""

import asyncio
import sys

import asyncpg

from config.settings import Settings
from hub import lifespan, wall_clock
from hub.workers.rewrapping import Rewrapping
from store.postgres import keys


async def run(settings: Settings, stop: asyncio.Event) -> int:
    """0 once nothing is wrapped by an older key; 1 when something is left, as when it was stopped."""
    async with lifespan.postgres_pool(settings) as pool:
        keyring = await lifespan.keyring(settings, pool)
        newest = keyring.masters.newest
        await keys.activate(pool, newest, now_ms=wall_clock.now_ms())
        await keyring.masters.refresh(pool)
        duty = Rewrapping(pool, keyring, now_ms=wall_clock.now_ms)
        left = await _left(pool, newest)
        _say(f"{left} keys are wrapped by an older DATA_KEY than version {newest}.")
        while left and not stop.is_set():
            done = await duty.run_once()
            left = await _left(pool, newest)
            _say(f"{left} left.")
            if not done and duty.at_end:
                break
    return _told(left, newest, duty.unreadable)


async def _left(pool: asyncpg.Pool, version: int) -> int:
    return sum(count for older, count in (await keys.keys_by_version(pool)).items() if older < version)


def _told(left: int, version: int, unreadable: int) -> int:
    if left:
        _say(f"Not finished: DATA_KEY_PREVIOUS is still needed. {unreadable} of these keys do not open.")
        return 1
    _say(f"Version {version} wraps every key: DATA_KEY_PREVIOUS may go.")
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
