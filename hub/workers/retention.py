"""Removes what is too old, as the registry and the periods say. It may stop anywhere and go on another time.

Each batch is a transaction in which the rows go and are counted; what was counted is told to the audit, kind
by kind, with numbers alone. Of several workers one has its turn.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import asyncpg
import structlog

from store.postgres import audit
from store.postgres import retention as rows
from store.postgres.pool import retaining
from store.privacy import retention
from store.privacy.retention import Ages, Period, Purge, Reference

BATCH: Final = 1_000
BATCHES_MAX: Final = 200
"""Of one table in one run; what is left has to wait for the next."""

Reached = Callable[[str], Awaitable[None]]

log = structlog.get_logger()


async def _go_on(_table: str) -> None:
    """Nothing waits between two batches."""


class Retention:
    """The duty. `reached` is awaited after each batch that removed something, by the table's name."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        periods: Mapping[str, Period],
        *,
        now_ms: Callable[[], int],
        batch: int = BATCH,
        reached: Reached = _go_on,
    ) -> None:
        self._pool = pool
        self._ages = Ages(periods)
        self._now_ms = now_ms
        self._batch = batch
        self._reached = reached

    async def run_once(self) -> int:
        """Remove what is too old by now; how many rows that were, or were emptied."""
        references = [Reference(*one) for one in await rows.references(self._pool)]
        removed = 0
        for purge in retention.plan(self._ages, references):
            removed += await self._all(purge)
        await self._tell()
        return removed

    async def _all(self, purge: Purge) -> int:
        total = 0
        for _ in range(BATCHES_MAX):
            found = await self._one_batch(purge)
            total += found
            if found:
                await self._reached(purge.table.name)
            if found < self._batch:
                break
        return total

    async def _one_batch(self, purge: Purge) -> int:
        now_ms = self._now_ms()
        age_ms = self._ages.gone_before_ms(purge.table.name, now_ms)
        if age_ms is None:
            return 0
        values = [retention.before(purge.table, age_ms), self._batch, *([now_ms] if purge.shredding else [])]
        async with retaining(self._pool) as db:
            if not await rows.take_turn(db):
                return 0
            found: int = await db.fetchval(purge.sql, *values)
            if found:
                await rows.counted(db, purge.table.retention, found, now_ms=now_ms)
        return found

    async def _tell(self) -> None:
        """What was removed, also by somebody who died before they told it."""
        async with self._pool.acquire() as connection, connection.transaction():
            pending = await rows.take_pending(connection)
            for kind, removed in pending:
                await audit.append(
                    connection,
                    actor_id="system",
                    actor_role="system",
                    action="retention_removed",
                    subject_id=None,
                    session_id=None,
                    detail={"kind": kind, "rows": removed},
                    now_ms=self._now_ms(),
                )
        for kind, removed in pending:
            log.info("retention.removed", kind=kind, rows=removed)
