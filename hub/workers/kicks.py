"""Carries out kick orders at Agora: leased, repeated with growing pauses, until the token has expired."""

from collections.abc import Awaitable, Callable
from typing import Final, Literal

import asyncpg
import structlog

from hub.vendors.agora import AgoraRest
from hub.vendors.asking import VendorRefused, VendorUnavailable
from store.postgres import disclosures, kicks
from store.postgres.kicks import Kick

AT_ONCE: Final = 16
LEASE_MS: Final = 25_000
"""Longer than a look and a call can take, so that nobody else sends what this run is sending."""
FIRST_PAUSE_MS: Final = 1_000
LONGEST_PAUSE_MS: Final = 60_000
MINUTE_MS: Final = 60_000

Point = Literal["leased", "sent"]
Reached = Callable[[Point], Awaitable[None]]

log = structlog.get_logger()


async def _go_on(point: Point) -> None:
    """Nothing waits at a recovery point."""


class Kicks:
    """The duty. Without `agora` there is no channel at a vendor that anybody could be in."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        agora: AgoraRest | None,
        *,
        now_ms: Callable[[], int],
        reached: Reached = _go_on,
    ) -> None:
        self._pool = pool
        self._agora = agora
        self._now_ms = now_ms
        self._reached = reached

    async def run_once(self) -> int:
        """Carry out what is due; how many orders that were."""
        due = await kicks.due(self._pool, now_ms=self._now_ms(), limit=AT_ONCE, lease_ms=LEASE_MS)
        for kick in due:
            await self._carry_out(kick)
        return len(due)

    async def _carry_out(self, kick: Kick) -> None:
        left_ms = kick.until_ms - self._now_ms()
        if self._agora is None:
            await self._end(kick, "not_needed", None)
        elif left_ms <= 0:
            log.error("kick.gave_up", session=kick.session_id, attempts=kick.attempts)
            await self._end(kick, "gave_up", None)
        else:
            await self._reached("leased")
            await self._send(self._agora, kick, -(-left_ms // MINUTE_MS))

    async def _send(self, agora: AgoraRest, kick: Kick, minutes: int) -> None:
        try:
            rule = None if kick.attempts == 1 else await agora.rule(kick.channel, kick.uid)
            if rule is None:
                now_ms = self._now_ms()
                await disclosures.disclosed(self._pool, kick.user_id, "agora", "removal", now_ms=now_ms)
                rule = await agora.kick(kick.channel, kick.uid, minutes=minutes)
        except (VendorUnavailable, VendorRefused) as error:
            # Also what it refuses is asked again: an order that is dropped leaves somebody in the room.
            log.warning("kick.not_yet", session=kick.session_id, error=str(error), attempts=kick.attempts)
            await kicks.again(self._pool, kick.id, next_at_ms=self._now_ms() + _pause_ms(kick.attempts))
            return
        await self._reached("sent")
        await self._end(kick, "done", rule)

    async def _end(self, kick: Kick, state: kicks.Ended, rule_id: int | None) -> None:
        await kicks.done(self._pool, kick.id, state, rule_id=rule_id, now_ms=self._now_ms())


def _pause_ms(attempts: int) -> int:
    return int(min(FIRST_PAUSE_MS * 2 ** min(attempts - 1, 10), LONGEST_PAUSE_MS))
