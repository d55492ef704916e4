"""Ends legal holds whose time is over, and asks each year whether the others are still needed."""

from collections.abc import Callable
from typing import Final

import asyncpg
import structlog

from store.postgres import audit, cases
from store.postgres import legal_holds as rows
from store.postgres.legal_holds import Hold
from store.privacy import legal_holds
from store.privacy.legal_holds import DAY_MS

AT_ONCE: Final = 100
ASK_AGAIN_MS: Final = 30 * DAY_MS
"""Until there is another case, where nobody said that a hold is still needed."""
CASE: Final = "legal_hold_review"

log = structlog.get_logger()


class LegalHolds:
    """The duty. Each hold is a transaction of its own, and the second time finds nothing to do."""

    def __init__(self, pool: asyncpg.Pool, *, now_ms: Callable[[], int]) -> None:
        self._pool = pool
        self._now_ms = now_ms

    async def run_once(self) -> int:
        """End what is over, ask about what is due; how many of both."""
        now_ms = self._now_ms()
        over = await rows.over(self._pool, now_ms=now_ms, limit=AT_ONCE)
        for hold in over:
            await self._end(hold, now_ms)
        due = await rows.to_review(self._pool, now_ms=now_ms, limit=AT_ONCE)
        for hold in due:
            await self._ask(hold, now_ms)
        return len(over) + len(due)

    async def _end(self, hold: Hold, now_ms: int) -> None:
        async with self._pool.acquire() as db, db.transaction():
            released = await legal_holds.release(db, hold, released_by=None, now_ms=now_ms)
            if released:
                await audit.append(
                    db,
                    actor_id="system",
                    actor_role="system",
                    action="legal_hold_ended",
                    subject_id=hold.subject_id if hold.disclosed else None,
                    session_id=hold.session_id if hold.disclosed else None,
                    detail={"hold": hold.id},
                    now_ms=now_ms,
                )
        if released:
            log.info("legal_hold.ended", hold=hold.id)

    async def _ask(self, hold: Hold, now_ms: int) -> None:
        async with self._pool.acquire() as db, db.transaction():
            days = (now_ms - hold.placed_at_ms) // DAY_MS
            await cases.open_case(
                db, CASE, session_id=None, detail={"days": days}, now_ms=now_ms, subject=hold.id
            )
            await rows.keep_on(db, hold.id, review_by_ms=now_ms + ASK_AGAIN_MS)
        log.warning("legal_hold.to_review", hold=hold.id, days=days)
