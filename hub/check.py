"""`python -m hub check`: whether everything that must hold of the money, the audit and the registry does.

It reads and changes nothing, so it may run beside hubs and workers at any time.
"""

import asyncio
import sys
from typing import Final

import asyncpg
from redis.exceptions import RedisError

from config.settings import Settings
from hub import lifespan, wall_clock
from hub.moderation.audit_walk import AuditWalk
from rooms.audit import Head
from store.postgres import erasures, invariant
from store.privacy import registered, tombstones
from store.privacy.signing import HeadKey
from store.redis import audit_head
from store.redis.connect import UnsafeStore

SHOWN: Final = 3
"""Rows that are printed of each invariant that does not hold."""
AUDIT: Final = "audit_chain"
REGISTRY: Final = "privacy_registry"
ERASURES: Final = "erased_and_in_time"


async def run(settings: Settings, _stop: asyncio.Event) -> int:
    """One line an invariant on standard output. 0 when all hold, 1 otherwise."""
    code = 0
    async with lifespan.postgres_pool(settings) as pool:
        for name in invariant.names():
            broken = await invariant.broken(pool, name, now_ms=wall_clock.now_ms())
            code = 1 if broken else code
            _say(name, _shown(broken), broken)
        walk = await audit_walk(pool, settings)
        problems = walk.problems
        erased = f": {walk.erased} texts are erased" if walk.erased else ""
        _say(AUDIT, _listed(problems) or erased, problems)
        unregistered = await registered.problems(pool)
        _say(REGISTRY, _listed(unregistered), unregistered)
        unerased = await erasure_problems(pool, settings)
        _say(ERASURES, _listed(unerased), unerased)
    return 1 if problems or unregistered or unerased else code


async def erasure_problems(pool: asyncpg.Pool, settings: Settings) -> list[str]:
    """Erasures that are late, and whoever was erased and is in the record again, as after a restored
    backup.
    """
    keyring = await lifespan.keyring(settings, pool, write=False)
    overdue = (await erasures.figures(pool, now_ms=wall_clock.now_ms())).overdue
    late = [f"{overdue} erasures should be done by now"] if overdue else []
    try:
        async with lifespan.redis_client(settings) as redis:
            found = await tombstones.returned(pool, redis, keyring)
    except (RedisError, OSError, UnsafeStore):
        unread = "the live store cannot be reached, so its tombstones were not compared"
        return [*late, unread, *await tombstones.returned(pool, None, keyring)]
    return [*late, *(f"person={user_id} was erased, and is here again" for user_id in found)]


async def audit_walk(pool: asyncpg.Pool, settings: Settings) -> AuditWalk:
    """A walk over the audit chain from its first entry to its last, and every signed head."""
    keyring = await lifespan.keyring(settings, pool, write=False)
    elsewhere, unread = None, []
    try:
        elsewhere = await _elsewhere(settings)
    except (RedisError, OSError, UnsafeStore):
        # Whoever cut the chain may have stopped the store as well: not compared is not in order.
        unread = ["the live store cannot be reached, so its head was not compared"]
    walk = AuditWalk(pool, HeadKey(keyring.root), keyring, elsewhere=elsewhere)
    walk.problems += unread
    await walk.run()
    return walk


async def _elsewhere(settings: Settings) -> Head | None:
    async with lifespan.redis_client(settings) as redis:
        return await audit_head.kept(redis)


def _say(name: str, told: str, broken: object) -> None:
    sys.stdout.write(f"{'broken' if broken else 'holds '}  {name}{told}\n")


def _shown(broken: list[dict[str, object]]) -> str:
    if not broken:
        return ""
    rows = ["  ".join(f"{key}={value}" for key, value in row.items()) for row in broken[:SHOWN]]
    return _listed(rows, count=len(broken))


def _listed(lines: list[str], count: int | None = None) -> str:
    if not lines:
        return ""
    return f": {count or len(lines)}" + "".join(f"\n          {line}" for line in lines)
