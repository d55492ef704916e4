"""A moderator's action in a process of its own, which a test kills.

`actor.py DSN REDIS_URL POINT` reads the action from standard input, as JSON `{actor, body}`. Once the point
is reached it says so on standard output and goes no further.
"""

import asyncio
import sys
import time
from typing import Any

import msgspec

from hub.moderation import effects, moderating, suspending
from hub.moderation.flagging import Flagging
from hub.moderation.standards import Standards
from hub.wire_moderation import Act
from rooms.ids import UserId
from store.postgres import acts
from store.postgres.pool import connect as connect_postgres
from store.privacy.keys import Keyring
from store.redis.connect import connect
from store.redis.moderation import Moderation
from tests.integration.safety.office import hub_of, principal

DAY_MS = 86_400_000

POINTS: dict[str, tuple[Any, str, bool]] = {
    "committed": (effects, "carry_out", False),
    "room": (effects, "_change_room", True),
    "offline": (effects, "take_offline", True),
    "told": (effects, "_tell", True),
    "refreshed": (suspending, "refresh", True),
    "unfinished": (acts, "finish", False),
}
"""Where it stops: at a function of a module, before it (False) or after it."""


class Task(msgspec.Struct):
    """Who does what."""

    actor: str
    body: Act


def stopping(point: str) -> None:
    """Make the process go no further there."""
    module, name, after = POINTS[point]
    original = getattr(module, name)

    async def stop(*args: Any, **more: Any) -> None:
        if after:
            await original(*args, **more)
        print(point, flush=True)
        await asyncio.Event().wait()

    setattr(module, name, stop)


async def main(dsn: str, redis_url: str, point: str) -> None:
    task = msgspec.json.decode(sys.stdin.read(), type=Task)
    pool, redis = await connect_postgres(dsn, size=4), connect(redis_url)

    def now_ms() -> int:
        return int(time.time() * 1000)

    keyring = Keyring(bytes(range(32)), pool, now_ms=now_ms)
    await keyring.check()
    standards = Standards(120_000, 90, 4, 30 * DAY_MS, 180 * DAY_MS)
    hub = hub_of(Flagging(pool, keyring, Moderation(redis), standards, now_ms), redis, now_ms)
    stopping(point)
    await moderating.act(hub, principal(user_id=UserId(task.actor)), task.body)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
