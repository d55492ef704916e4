"""Makes exports of people's own data, and ends what became of them.

The row of an export is the truth. A job of the queue only says that somebody should look at one; when a job
is lost or a worker dies, the sweep finds the row and asks again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Final

import asyncpg
import structlog

from config.retention import Period, periods
from hub import exporting
from hub.errors import log_unexpected
from store.postgres import cases, exports, jobs
from store.postgres.exports import Export
from store.privacy.exports.making import QUEUE, Making, NotOurs
from store.privacy.keys import Keyring, ShreddedError
from store.privacy.retention import Ages
from store.redis.notices import Notices

ATTEMPTS_MAX: Final = 10
"""After so many a person has to look. A deploy in the middle counts as one."""
AGAIN_MS: Final = 2_000
LONGEST_PAUSE_MS: Final = 600_000
TELL_EVERY_MS: Final = 250
LAST_BYTES_MS: Final = 60_000
"""How long the last bytes of a download may take before its archive is removed."""
AT_ONCE: Final = 100

Reached = Callable[[str], Awaitable[None]]

log = structlog.get_logger()


async def _go_on(_point: str) -> None:
    """Nothing waits between two pieces."""


class Exports:
    """Both duties: `make` for each job of the queue, and `run_once`, the sweep.

    An archive can be had for `keep_ms`. A worker that was silent for `lease_ms` has lost what it was at.
    `reached` is awaited when a piece is on record and when everything is packed, by the name of the point.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        notices: Notices,
        keyring: Keyring,
        *,
        now_ms: Callable[[], int],
        lease_ms: int,
        keep_ms: int,
        reached: Reached = _go_on,
        kept_for: Mapping[str, Period] | None = None,
    ) -> None:
        self._ages = Ages(kept_for or periods())
        self._pool = pool
        self._notices = notices
        self._keyring = keyring
        self._now_ms = now_ms
        self._lease_ms = lease_ms
        self._keep_ms = keep_ms
        self._reached = reached

    async def make(self, export_id: str) -> bool:
        """Make one, unless somebody else is at it. Whether it can be had now."""
        now_ms = self._now_ms()
        taken = await exports.take(
            self._pool, export_id, now_ms=now_ms, until_ms=now_ms + self._lease_ms, attempts_max=ATTEMPTS_MAX
        )
        if taken is None:
            return False
        try:
            await self._make(taken)
        except NotOurs:
            log.info("export.taken_over", export=taken.id, attempt=taken.attempts)
        except ShreddedError:
            # They were erased meanwhile; there is nobody to tell.
            await exports.give_up(self._pool, taken)
        except asyncio.CancelledError:
            # The process ends. Whoever looks next begins at once instead of after the lease.
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await exports.again(self._pool, taken, next_at_ms=self._now_ms())
            raise
        except Exception as error:  # noqa: BLE001  Whatever it was: the queue keeps what it is told, so it is told nothing.
            await self._not_now(taken, error)
        else:
            log.info("export.ready", export=taken.id, attempt=taken.attempts)
            await exporting.tell(self._notices, taken.person_id, taken.id, "ready", 1000)
            return True
        return False

    async def run_once(self) -> int:
        """End, remove, and ask again for what nobody is at; how many exports are due."""
        now_ms = self._now_ms()
        await self._give_up_stuck(now_ms)
        await exports.expire(self._pool, now_ms=now_ms, limit=AT_ONCE)
        await exports.drop_left_over(self._pool, limit=AT_ONCE, until_ms=now_ms - LAST_BYTES_MS)
        due = await exports.due(self._pool, now_ms=now_ms, limit=AT_ONCE)
        for export_id in due:
            await jobs.enqueue(self._pool, QUEUE, export_id)
        return len(due)

    async def _make(self, taken: Export) -> None:
        told_ms = 0

        async def advanced(permille: int) -> None:
            nonlocal told_ms
            if self._now_ms() - told_ms >= TELL_EVERY_MS:
                told_ms = self._now_ms()
                await exporting.tell(self._notices, taken.person_id, taken.id, "running", permille)

        await advanced(0)
        making = Making(
            self._pool,
            self._keyring,
            taken,
            now_ms=self._now_ms,
            lease_ms=self._lease_ms,
            advanced=advanced,
            reached=self._reached,
            ages=self._ages,
        )
        await making.run(keep_ms=self._keep_ms)

    async def _not_now(self, taken: Export, error: Exception) -> None:
        log_unexpected(error, where="exports")
        pause_ms = min(AGAIN_MS * 2 ** min(taken.attempts - 1, 20), LONGEST_PAUSE_MS)
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await exports.again(self._pool, taken, next_at_ms=self._now_ms() + pause_ms)

    async def _give_up_stuck(self, now_ms: int) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            stuck = await exports.give_up_stuck(
                connection, now_ms=now_ms, attempts_max=ATTEMPTS_MAX, limit=AT_ONCE
            )
            for one in stuck:
                detail = {"export_id": one.id, "attempts": one.attempts}
                await cases.open_case(
                    connection,
                    "export_stuck",
                    session_id=None,
                    detail=detail,
                    now_ms=now_ms,
                    subject=str(one.person_id),
                )
        for one in stuck:
            log.error("export.given_up", export=one.id, attempts=one.attempts)
            await exporting.tell(self._notices, one.person_id, one.id, "failed", one.progress_permille)
