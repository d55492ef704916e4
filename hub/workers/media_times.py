"""Compares what was billed with when the media vendor saw the two together, once a session is settled.

It never bills and never pays back: too much of a difference is put before a person, once, and is a fact for
the rules about fraud. Where the vendor told nothing at all, nothing is said.
"""

from collections.abc import Callable
from typing import Final

import asyncpg
import structlog

from rooms import media
from rooms.media_times import Move, differs, stays, unseen_ms
from rooms.presence import Spans, intersection
from store.postgres import media_notices
from store.postgres.cases import open_case, was_closed
from store.postgres.media_notices import Part

AFTER_MS: Final = 600_000
"""Notices come late."""
LOOKED_BACK_MS: Final = 7 * 86_400_000
AT_ONCE: Final = 100
SPANS_SHOWN: Final = 200
CASE: Final = "media_difference"

log = structlog.get_logger()


class MediaTimes:
    """The duty. `now_ms` gives Unix milliseconds."""

    def __init__(self, pool: asyncpg.Pool, *, now_ms: Callable[[], int]) -> None:
        self._pool = pool
        self._now_ms = now_ms

    async def run_once(self) -> int:
        """Compare what is to be compared; how many parts that were."""
        now_ms = self._now_ms()
        parts = await media_notices.unchecked(
            self._pool, before_ms=now_ms - AFTER_MS, after_ms=now_ms - LOOKED_BACK_MS, limit=AT_ONCE
        )
        for part in parts:
            await self._compare(part)
        return len(parts)

    async def _compare(self, part: Part) -> None:
        channel, now_ms = media.channel(part.session_id), self._now_ms()
        async with self._pool.acquire() as connection, connection.transaction():
            billed = await media_notices.billed(connection, part.session_id, part.participant_no)
            told = await media_notices.moves(connection, channel)
            mine = _of(told, part.participant_no, part.ended_at_ms)
            hosts = _of(told, 0, part.ended_at_ms)
            seen = None if mine is None and hosts is None else intersection(mine or (), hosts or ())
            unseen = 0 if seen is None else unseen_ms(billed, seen)
            await media_notices.note_check(
                connection, part, channel=channel, seen=seen, unseen_ms=unseen, now_ms=now_ms
            )
            if seen is None:
                if billed:
                    log.info("media_times.nothing_told", session=part.session_id)
            elif differs(billed, seen):
                await self._open(connection, part, billed, seen, now_ms)

    async def _open(
        self,
        connection: asyncpg.pool.PoolConnectionProxy,
        part: Part,
        billed: Spans,
        seen: Spans,
        now_ms: int,
    ) -> None:
        subject = str(part.participant_no)
        if await was_closed(connection, CASE, session_id=part.session_id, subject=subject):
            return
        detail = {
            "participant_no": part.participant_no,
            "billed": [list(span) for span in billed[:SPANS_SHOWN]],
            "seen": [list(span) for span in seen[:SPANS_SHOWN]],
            "unseen_ms": unseen_ms(billed, seen),
        }
        await open_case(
            connection, CASE, session_id=part.session_id, detail=detail, now_ms=now_ms, subject=subject
        )


def _of(told: dict[int, list[Move]], participant_no: int, ended_at_ms: int) -> Spans | None:
    """When somebody was in the channel; None where nothing was told of them."""
    moves = told.get(participant_no + media.FIRST_UID)
    return None if moves is None else stays(moves, ended_at_ms)
