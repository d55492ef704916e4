"""The epoch: Redis and Postgres each hold one; where they differ, the rooms in Redis are not to be trusted.

A hub that finds a difference begins a new epoch, rebuilds the rooms from their checkpoints, and finishes it.
If it dies in between, the epoch stays `rebuilding` and the next one begins anew from it.
"""

import asyncpg

from store.postgres.pool import Db
from store.postgres.rows import one
from store.postgres.statements import statements
from store.records import Epoch

SQL = statements("epochs")

_LOCK = 1_846_077_530_194_820_113  # Any number that nobody else locks by.


async def read(db: Db) -> Epoch | None:
    """The epoch on record; None before the first."""
    return one(await db.fetchrow(SQL["read"]), Epoch)


async def begin(pool: asyncpg.Pool, epoch: str, *, seen: str | None, now_ms: int) -> bool:
    """Begin `epoch` if the one on record still is `seen`; False when somebody else was faster."""
    async with pool.acquire() as connection, connection.transaction():
        await lock_epoch(connection)
        return await connection.fetchrow(SQL["begin"], epoch, now_ms, seen) is not None


async def lock_epoch(db: Db) -> None:
    """Wait until nobody else decides about the epoch; the lock ends with the caller's transaction."""
    await db.execute(SQL["lock_epoch"], _LOCK)


async def finish(db: Db, epoch: str, *, now_ms: int) -> bool:
    """The rooms of this epoch are rebuilt; False when it is not the one being rebuilt."""
    return await db.fetchval(SQL["finish"], epoch, now_ms) is not None
