"""Evidence comes to an end: what is past its time and needed by nobody loses its key, and with it every copy.
And a report whose process died before its flag was raised gets its flag.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import asyncpg

from config.settings import Settings
from hub import wall_clock
from hub.lifespan import Stores
from hub.moderation.flagging import Flagging
from hub.moderation.standards import standards
from hub.safety import evidence
from hub.safety.reports import raise_flag
from store.evidence_records import ReportRecord
from store.postgres import evidence as rows
from store.postgres import reports
from store.redis.moderation import Moderation

BATCH: Final = 200
UNFLAGGED_AFTER_MS: Final = 15_000
"""Longer than a report takes from its row to its flag."""


def duty(settings: Settings, stores: Stores) -> "Evidence":
    """The duty of a process, from its parts."""
    numbers = standards(settings)
    parts = Flagging(stores.pool, stores.keyring, Moderation(stores.redis), numbers, wall_clock.now_ms)
    return Evidence(
        stores.pool,
        raise_again=partial(raise_flag, parts),
        appeal_ms=numbers.appeal_ms,
        now_ms=wall_clock.now_ms,
    )


class Evidence:
    """The retention of evidence. `raise_again` raises the flag of a report that has none, repeatably; for
    `appeal_ms` after an action it can be appealed.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        raise_again: Callable[[ReportRecord], Awaitable[object]],
        appeal_ms: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._pool = pool
        self._raise_again = raise_again
        self._appeal_ms = appeal_ms
        self._now_ms = now_ms

    async def run_once(self) -> int:
        """Destroy what is due, and raise what was not raised. Gives how many of both."""
        return await self._destroy() + await self._flag()

    async def _destroy(self) -> int:
        now_ms, ended = self._now_ms(), 0
        since_ms = now_ms - self._appeal_ms
        for evidence_id in await rows.due(self._pool, now_ms=now_ms, acted_since_ms=since_ms, limit=BATCH):
            # One transaction each: a hold that is set in this moment wins or comes too late, never half.
            async with self._pool.acquire() as connection, connection.transaction():
                ended += await evidence.destroy(
                    connection, evidence_id, now_ms=now_ms, acted_since_ms=since_ms
                )
        return ended

    async def _flag(self) -> int:
        before_ms = self._now_ms() - UNFLAGGED_AFTER_MS
        left = await reports.unflagged(self._pool, before_ms=before_ms, limit=BATCH)
        for report in left:
            await self._raise_again(report)
        return len(left)
