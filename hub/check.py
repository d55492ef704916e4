"""`python -m hub check`: whether everything that must hold of the money and of the audit on record does.

It reads and changes nothing, so it may run beside hubs and workers at any time.
"""

import asyncio
import sys
from typing import Final

from redis.exceptions import RedisError

from config.settings import Settings
from hub import lifespan, wall_clock
from hub.moderation.audit_walk import AuditWalk
from rooms.audit import Head
from store.postgres import invariant
from store.postgres.pool import Db
from store.privacy.signing import HeadKey
from store.redis import audit_head
from store.redis.connect import UnsafeStore

SHOWN: Final = 3
"""Rows that are printed of each invariant that does not hold."""
AUDIT: Final = "audit_chain"


async def run(settings: Settings, _stop: asyncio.Event) -> int:
    """One line an invariant on standard output. 0 when all hold, 1 otherwise."""
    code = 0
    async with lifespan.postgres_pool(settings) as pool:
        for name in invariant.names():
            broken = await invariant.broken(pool, name, now_ms=wall_clock.now_ms())
            code = 1 if broken else code
            _say(name, _shown(broken))
        problems = await audit_problems(pool, settings)
        _say(AUDIT, _listed(problems))
    return 1 if problems else code


async def audit_problems(db: Db, settings: Settings) -> list[str]:
    """What does not fit in the audit chain, from its first entry to its last, and with every signed head."""
    key = HeadKey(settings.data_key.get_secret_value())
    try:
        elsewhere = await _elsewhere(settings)
    except (RedisError, OSError, UnsafeStore):
        # Whoever cut the chain may have stopped the store as well: not compared is not in order.
        unread = ["the live store cannot be reached, so its head was not compared"]
        return [*unread, *await AuditWalk(db, key).run()]
    return await AuditWalk(db, key, elsewhere=elsewhere).run()


async def _elsewhere(settings: Settings) -> Head | None:
    async with lifespan.redis_client(settings) as redis:
        return await audit_head.kept(redis)


def _say(name: str, broken: str) -> None:
    sys.stdout.write(f"{'broken' if broken else 'holds '}  {name}{broken}\n")


def _shown(broken: list[dict[str, object]]) -> str:
    if not broken:
        return ""
    rows = ["  ".join(f"{key}={value}" for key, value in row.items()) for row in broken[:SHOWN]]
    return _listed(rows, count=len(broken))


def _listed(lines: list[str], count: int | None = None) -> str:
    if not lines:
        return ""
    return f": {count or len(lines)}" + "".join(f"\n          {line}" for line in lines)
