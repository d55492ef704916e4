"""Words of reviews that nobody has looked at in time: shown or not, as the rule says that found something."""

from collections.abc import Callable
from typing import Final

import asyncpg
import structlog

from hub.reviews import deciding, rating
from hub.safety.notices import Notice, Teller, tell
from store.postgres import reviews as rows
from store.postgres.reviews import Version

BATCH: Final = 50

log = structlog.get_logger()


class ReviewTimeouts:
    """The duty. The case stays in the queue: a moderator may still take out what time has let through."""

    def __init__(self, teller: Teller, *, now_ms: Callable[[], int]) -> None:
        self._teller = teller
        self._now_ms = now_ms

    @property
    def _pool(self) -> asyncpg.Pool:
        return self._teller.pool

    async def run_once(self) -> int:
        """Gives how many wordings were decided. Raises what Postgres raises."""
        due = await rows.due(self._pool, now_ms=self._now_ms(), limit=BATCH)
        return sum([await self._decide(version) for version in due])

    async def _decide(self, version: Version) -> bool:
        now_ms, released = self._now_ms(), version.on_timeout == "release"
        async with self._pool.acquire() as db, db.transaction():
            review = await rows.lock_review(db, version.review_id)
            if review is None:
                return False
            if released:
                done = await deciding.release(db, review, version, now_ms=now_ms)
                await rating.want_told(db, review.practitioner_id, now_ms=now_ms, after_ms=0)
            else:
                done = await rows.refuse_waiting(db, version.id, now_ms=now_ms)
        if done:
            code = "review_released" if released else "review_rejected"
            await tell(self._teller, version.author_id, Notice(code, review.session_id))
            log.info("review.timed_out", review=review.id, released=released)
        return done
