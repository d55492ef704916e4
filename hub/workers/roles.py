"""Carries changes of roles to the identity provider, and ends the sign-ins that still carry the old role.

An order is on record before anybody is told, so a process that dies in the middle leaves work, not a gap.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Literal

import asyncpg
import structlog

from hub.vendors.asking import VendorRefused, VendorUnavailable
from hub.vendors.supabase import SupabaseAdmin
from store.postgres import cases, disclosures, roles
from store.postgres.roles import RoleChange
from store.redis.revocations import Revocations

AT_ONCE: Final = 16
LEASE_MS: Final = 25_000
LONGEST_PAUSE_MS: Final = 60_000

Point = Literal["revoked", "told"]
Reached = Callable[[Point], Awaitable[None]]

log = structlog.get_logger()


async def _go_on(point: Point) -> None:
    """Nothing waits at a recovery point."""


class Roles:
    """The duty; `carry_out` is also what a request does at once."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        revocations: Revocations,
        supabase: SupabaseAdmin,
        *,
        now_ms: Callable[[], int],
        reached: Reached = _go_on,
    ) -> None:
        self._pool = pool
        self._revocations = revocations
        self.supabase = supabase
        self._now_ms = now_ms
        self._reached = reached

    async def run_once(self) -> int:
        """Carry out what is due; how many changes that were."""
        due = await roles.due(self._pool, now_ms=self._now_ms(), limit=AT_ONCE, lease_ms=LEASE_MS)
        for change in due:
            await self.carry_out(change)
        return len(due)

    async def carry_out(self, change: RoleChange) -> bool:
        """One change; whether it is through. What the provider does raises nothing; repeated, it is harmless.

        Sign-ins are ended before, so that a lowered role works at once everywhere, and again after: a token
        that was refreshed in between still has the old role.
        """
        try:
            await self._end_sign_ins(change, at_s=self._now_ms() // 1000)
            await self._reached("revoked")
            now_ms = self._now_ms()
            await disclosures.disclosed(self._pool, change.user_id, "supabase", "role", now_ms=now_ms)
            told = await self.supabase.set_role(change.user_id, change.role)
            await self._reached("told")
            # By the provider's clock where it is ahead: it dates the tokens.
            await self._end_sign_ins(change, at_s=max(self._now_ms() // 1000, told.updated_at_s()))
        except VendorUnavailable as error:
            log.warning("role.not_yet", attempts=change.attempts, error=str(error))
            pause_ms = min(1_000 * 2 ** min(change.attempts, 6), LONGEST_PAUSE_MS)
            await roles.again(self._pool, change.id, next_at_ms=self._now_ms() + pause_ms)
            return False
        except VendorRefused as error:
            await self._refused(change, error)
            return False
        await roles.done(self._pool, change.id, "done", now_ms=self._now_ms())
        return True

    async def _end_sign_ins(self, change: RoleChange, *, at_s: int) -> None:
        await self._revocations.revoke(change.user_id, "", "global", at_s=at_s)

    async def _refused(self, change: RoleChange, error: VendorRefused) -> None:
        """Their tokens would still carry the old role: a person has to look."""
        now_ms = self._now_ms()
        await roles.done(self._pool, change.id, "refused", now_ms=now_ms)
        detail = {"role": change.role, "status": error.status}
        await cases.open_case(
            self._pool, "role_refused", session_id=None, detail=detail, now_ms=now_ms, subject=change.id
        )
