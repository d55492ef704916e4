"""Wraps people's keys anew after DATA_KEY was exchanged, so that the one before can be thrown away.

It may be repeated, and any number of workers may do it: what was wrapped anew already is left alone.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog

from store.postgres import cases
from store.privacy import rotation
from store.privacy.keys import Keyring

BATCH: Final = 500
CASE: Final = "key_unreadable"

log = structlog.get_logger()


async def _go_on() -> None:
    """Nothing waits between reading keys and putting them back."""


class Rewrapping:
    """The duty. `reached` is awaited after a batch; `unreadable` are keys of this round that do not open."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        keyring: Keyring,
        *,
        now_ms: Callable[[], int],
        batch: int = BATCH,
        reached: Callable[[], Awaitable[None]] = _go_on,
    ) -> None:
        self._pool = pool
        self._masters = keyring.masters
        self._now_ms = now_ms
        self._batch = batch
        self._reached = reached
        self._after: str | None = None
        self.unreadable = 0

    @property
    def at_end(self) -> bool:
        """Whether the last batch was the last of its round."""
        return self._after is None

    async def run_once(self) -> int:
        """The next batch; how many keys were wrapped anew. Raises what Postgres raises."""
        now_ms = self._now_ms()
        if self._masters.waits(now_ms):
            await self._masters.refresh(self._pool)
        if self._after is None:
            self.unreadable = 0
        root = await rotation.rewrap_root(self._pool, self._masters, now_ms=now_ms)
        batch = await rotation.rewrap(
            self._pool, self._masters, after=self._after, limit=self._batch, now_ms=now_ms
        )
        await self._reached()
        self._after = batch.after
        self.unreadable += batch.unreadable
        if batch.unreadable:
            await self._tell(batch.unreadable)
        if batch.done or root:
            log.info("keys.rewrapped", keys=batch.done + root, version=self._masters.wrapping(now_ms))
        return batch.done + root

    async def _tell(self, unreadable: int) -> None:
        """A row that was changed: what its key sealed is lost, and a person has to know."""
        await cases.open_case(
            self._pool, CASE, session_id=None, detail={"keys": unreadable}, now_ms=self._now_ms()
        )
