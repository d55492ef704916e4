"""Releases holds that nobody will ever use: placed for a session that never came to be on record.

What is settled releases its own holds. This is for the rest: a room that was lost before anything of it was
written down, so that neither an end nor a settlement can come.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog

from billing import recovery, requests
from billing.payment import Kind, Operation
from rooms.ids import SessionId
from store.postgres import operations, reconciliation

REAPED: Final = 100
ORPHAN_MS: Final = 900_000
"""A hold this old whose room is nowhere belongs to nobody. Longer than any room waits before it is written
down, and than a hold's own news takes to reach it.
"""

log = structlog.get_logger()


class Reaper:
    """The duty. `is_there(session_id)` tells whether the live store knows a room. `now_ms` gives Unix ms."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        is_there: Callable[[SessionId], Awaitable[bool]],
        environment: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._pool = pool
        self._is_there = is_there
        self._environment = environment
        self._now_ms = now_ms

    async def run_once(self) -> int:
        """How many holds were released. Raises what the stores raise."""
        now_ms = self._now_ms()
        found = await reconciliation.lingering_holds(self._pool, before_ms=now_ms - ORPHAN_MS, limit=REAPED)
        return sum([await self._release(hold, now_ms) for hold in found])

    async def _release(self, hold: Operation, now_ms: int) -> bool:
        if hold.stripe_id is None or await self._is_there(hold.session_id):
            # The room will be settled, and then each hold is captured or released.
            return False
        known = await operations.operations(self._pool, hold.session_id)
        of_it = (Kind.CANCEL, hold.participant_no, hold.ordinal)
        tried = [one for one in known if (one.kind, one.participant_no, one.ordinal) == of_it]
        wanted = (
            recovery.next_attempt(tried[-1], at_ms=now_ms)
            if tried
            else requests.cancel(
                hold.ordinal, hold.amount_minor, hold.currency, intent=hold.stripe_id, at_ms=now_ms
            )
        )
        inserted = await operations.insert_operations(
            self._pool, self._environment, hold.session_id, hold.participant_no, [wanted], now_ms=now_ms
        )
        if inserted:
            log.warning("holds.reaped", session_id=hold.session_id, operation=hold.name)
        return bool(inserted)
