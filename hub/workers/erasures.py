"""Erases people for good, in steps that can each be repeated: whoever dies, the next one goes on.

What stays is what the law wants of the books, under an id that leads to nobody, and the chains of
transcripts and of the audit, which still verify. Somebody is told while there is still time, wherever it
hangs.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog
from msgspec.structs import replace
from redis.asyncio import Redis

from billing.stripe_gateway import StripeUnavailable
from hub.vendors.asking import VendorRefused, VendorUnavailable
from hub.workers.erasure_steps import Steps, Vendors, Waits
from store.postgres import audit, cases, erasures
from store.postgres.erasures import DAY_MS, Erasure, Late
from store.privacy.erasing import StillThere
from store.privacy.keys import Keyring

AT_ONCE: Final = 8
LEASE_MS: Final = 60_000
"""Longer than the slowest step: so long nobody else takes it up."""
WAIT_MS: Final = 5_000
"""How long until it is looked again whether everything is settled."""
LONGEST_WAIT_MS: Final = 600_000
LONGEST_PAUSE_MS: Final = 3_600_000
STUCK_AFTER: Final = 10
"""Attempts of one step after which a person has to look."""
ALERTS_AT_ONCE: Final = 100
ALERTS: Final = {1: "erasure_ten_days_left", 2: "erasure_three_days_left", 3: "erasure_overdue"}
"""Cases by how late it is: ten days, three days and no day before its end, which is the thirtieth."""

NAMELESS: Final = (StripeUnavailable, VendorUnavailable, VendorRefused, StillThere)
"""Errors whose words are of ours, and name nobody."""

Reached = Callable[[str], Awaitable[None]]

log = structlog.get_logger()


async def _go_on(step: str) -> None:
    """Nothing waits between two steps."""


class Erasures:
    """The duty. `reached` is awaited when a step has done its work and before that is noted.

    Without a client of the identity provider nobody's sign-in can be deleted: their erasure waits, and a
    case is open.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        redis: Redis,
        vendors: Vendors,
        keyring: Keyring,
        *,
        now_ms: Callable[[], int],
        reached: Reached = _go_on,
    ) -> None:
        self._pool = pool
        self._vendors = vendors
        self._now_ms = now_ms
        self._reached = reached
        self._steps = Steps(pool, redis, vendors, keyring, now_ms=now_ms).in_order()

    async def run_once(self) -> int:
        """Go on with what is due, and tell of what is late; how many people's erasures were gone on with."""
        taken = 0
        while taken < AT_ONCE:
            # One at a time: the lease of each begins with its own first step.
            due = await erasures.due(self._pool, now_ms=self._now_ms(), limit=1, lease_ms=LEASE_MS)
            if not due:
                break
            await self._go_through(due[0])
            taken += 1
        for late in await erasures.to_alert(self._pool, now_ms=self._now_ms(), limit=ALERTS_AT_ONCE):
            await self._alert(late)
        return taken

    async def _go_through(self, erasure: Erasure) -> None:
        try:
            for number, (name, step) in enumerate(self._steps, start=1):
                if number > erasure.step:
                    await step(erasure)
                    await self._reached(name)
                    lease_ms = self._now_ms() + LEASE_MS
                    if not await erasures.stepped(self._pool, erasure.receipt, number, next_at_ms=lease_ms):
                        # Cancelled just now, or somebody else is further.
                        return
                    erasure = replace(erasure, step=number, attempts=0)
        except Waits as wait:
            pause_ms = min(WAIT_MS * 2 ** min(max(erasure.attempts - 1, 0), 12), LONGEST_WAIT_MS)
            next_at_ms = self._now_ms() + pause_ms
            await erasures.waits(self._pool, erasure.receipt, wait.what, next_at_ms=next_at_ms)
        except Exception as error:  # noqa: BLE001  One that cannot go on holds up nobody else's.
            await self._not_now(erasure, error)
        else:
            await self._finish(erasure)

    async def _finish(self, erasure: Erasure) -> None:
        now_ms = self._now_ms()
        async with self._pool.acquire() as connection, connection.transaction():
            done = await erasures.done(connection, erasure.receipt, erasure.user_id, now_ms=now_ms)
            if done:
                # By its number alone: the audit keeps for ever what it is told.
                await audit.append(
                    connection,
                    actor_id="system",
                    actor_role="system",
                    action="person_erased",
                    subject_id=erasure.receipt,
                    session_id=None,
                    detail={"because": erasure.source},
                    now_ms=now_ms,
                )
        if done:
            days = (now_ms - erasure.received_at_ms) // DAY_MS
            log.info("erasure.done", receipt=erasure.receipt, because=erasure.source, days=days)

    async def _not_now(self, erasure: Erasure, error: Exception) -> None:
        pause_ms = min(1_000 * 2 ** min(erasure.attempts, 12), LONGEST_PAUSE_MS)
        now_ms = self._now_ms()
        await erasures.again(self._pool, erasure.receipt, next_at_ms=now_ms + pause_ms)
        log.warning(
            "erasure.not_yet", receipt=erasure.receipt, attempts=erasure.attempts, error=type(error).__name__
        )
        if erasure.attempts >= STUCK_AFTER or self._vendors.supabase is None:
            # Whatever a store says may name whom it is about.
            said = str(error) if isinstance(error, NAMELESS) else type(error).__name__
            detail = {"step": erasure.step, "error": said}
            await self._case("erasure_stuck", erasure.receipt, detail, now_ms)

    async def _alert(self, late: Late) -> None:
        now_ms = self._now_ms()
        kind = ALERTS[late.level]
        detail: dict[str, object] = {
            "day": (now_ms - late.received_at_ms) // DAY_MS,
            "step": late.step,
            "waits_for": late.waits_for,
        }
        # Noted last: a case that is open already is not opened twice, one that is missing would be.
        await self._case(kind, late.receipt, detail, now_ms)
        log.error("erasure.late", kind=kind, receipt=late.receipt, **detail)
        await erasures.alerted(self._pool, late.receipt, late.level)

    async def _case(self, kind: str, receipt: str, detail: dict[str, object], now_ms: int) -> None:
        await cases.open_case(
            self._pool, kind, session_id=None, detail=detail, now_ms=now_ms, subject=receipt
        )
