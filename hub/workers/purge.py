"""Removes people for good, in steps that can each be repeated: whoever dies, the next one goes on.

What stays are opaque ids: in the ledger, in the chains of transcripts and of the audit, which still verify.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog
from redis.asyncio import Redis

from billing.stripe_customers import delete_customer
from billing.stripe_gateway import StripeGateway, StripeUnavailable
from hub.vendors.asking import VendorRefused, VendorUnavailable
from hub.vendors.supabase import SupabaseAdmin
from rooms.ids import SessionId
from store.postgres import audit, blocks, cards, cases, people, purges
from store.postgres.purges import Purge
from store.privacy.keys import Keyring
from store.redis.residue import forget_person, forget_rooms
from store.redis.revocations import Revocations

AT_ONCE: Final = 8
LEASE_MS: Final = 60_000
"""Longer than the slowest step: so long nobody else takes it up."""
WAIT_MS: Final = 5_000
"""How long until it is looked again whether everything is settled."""
LONGEST_PAUSE_MS: Final = 3_600_000
ROOMS: Final = 500
CLOCK_SKEW_S: Final = 60
NAME: Final = "Removed person"
STUCK_AFTER: Final = 10
"""Attempts of one step after which a person has to look."""

Reached = Callable[[str], Awaitable[None]]

log = structlog.get_logger()


async def _go_on(step: str) -> None:
    """Nothing waits between two steps."""


class Waits(Exception):
    """The step's time has not come."""


class Purges:
    """The duty. `reached` is awaited when a step has done its work and before that is noted.

    Without `supabase` nobody's sign-in can be deleted: their removal waits, and a case is open.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        redis: Redis,
        gateway: StripeGateway,
        supabase: SupabaseAdmin | None,
        keyring: Keyring,
        *,
        now_ms: Callable[[], int],
        reached: Reached = _go_on,
    ) -> None:
        self._pool = pool
        self._redis = redis
        self._gateway = gateway
        self._supabase = supabase
        self._keyring = keyring
        self._now_ms = now_ms
        self._reached = reached
        self._steps: tuple[tuple[str, Callable[[Purge], Awaitable[None]]], ...] = (
            ("settled", self._settled),
            ("sign_in", self._sign_in),
            ("customer", self._customer),
            ("key", self._key),
            ("profile", self._profile),
            ("live_store", self._live_store),
        )

    async def run_once(self) -> int:
        """Go on with what is due; how many people that were."""
        due = await purges.due(self._pool, now_ms=self._now_ms(), limit=AT_ONCE, lease_ms=LEASE_MS)
        for purge in due:
            await self._go_through(purge)
        return len(due)

    async def _go_through(self, purge: Purge) -> None:
        try:
            for number, (name, step) in enumerate(self._steps, start=1):
                if number > purge.step:
                    await step(purge)
                    await self._reached(name)
                    lease_ms = self._now_ms() + LEASE_MS
                    await purges.stepped(self._pool, purge.user_id, number, next_at_ms=lease_ms)
        except Waits:
            await purges.again(self._pool, purge.user_id, next_at_ms=self._now_ms() + WAIT_MS)
        except (StripeUnavailable, VendorUnavailable, VendorRefused) as error:
            await self._not_now(purge, error)
        else:
            await self._finish(purge)

    async def _settled(self, purge: Purge) -> None:
        """Nobody has to look at it again, what they did is paid for, and what they get back has arrived."""
        if await purges.contested(self._pool, purge.user_id):
            raise Waits
        if await purges.unsettled(self._pool, purge.user_id):
            raise Waits
        if await purges.restitution_open(self._pool, purge.user_id):
            raise Waits

    async def _sign_in(self, purge: Purge) -> None:
        """Nobody signs in as them any more, nor is anybody who did."""
        if self._supabase is None:
            raise VendorUnavailable("there is no service key")
        await self._supabase.delete(purge.user_id)
        # Also what a clock ahead of ours has dated: nobody signs in as them after this anyway.
        at_s = self._now_ms() // 1000 + CLOCK_SKEW_S
        await Revocations(self._redis).revoke(purge.user_id, "", "global", at_s=at_s)

    async def _customer(self, purge: Purge) -> None:
        card = await people.card(self._pool, purge.user_id)
        known = {await cards.customer(self._pool, purge.user_id), card.stripe_customer if card else None}
        for customer in known - {None}:
            await delete_customer(self._gateway, str(customer))
        async with self._pool.acquire() as connection, connection.transaction():
            await purges.forget_card(connection, purge.user_id)
            await purges.forget_customer(connection, purge.user_id)
            await purges.forget_payer(connection, purge.user_id)

    async def _key(self, purge: Purge) -> None:
        """What they wrote is unreadable in every copy; the other processes drop the key within seconds."""
        await self._keyring.shred(purge.user_id)

    async def _profile(self, purge: Purge) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await purges.empty_profile(connection, purge.user_id, name=NAME)
            await purges.empty_practice(connection, purge.user_id)
            await blocks.forget_blocks(connection, purge.user_id)
            await purges.forget_findings(connection, purge.user_id)
            await purges.forget_sightings(connection, purge.user_id)
            await audit.erase_texts(connection, purge.user_id, now_ms=self._now_ms())

    async def _live_store(self, purge: Purge) -> None:
        after: SessionId | None = None
        while page := await purges.sessions_of(self._pool, purge.user_id, after=after, limit=ROOMS):
            await forget_rooms(self._redis, page)
            after = page[-1]
        await forget_person(self._redis, purge.user_id)

    async def _finish(self, purge: Purge) -> None:
        now_ms = self._now_ms()
        async with self._pool.acquire() as connection, connection.transaction():
            await purges.bury(connection, purge.user_id, reason=purge.reason, now_ms=now_ms)
            if await purges.done(connection, purge.user_id, now_ms=now_ms):
                await audit.append(
                    connection,
                    actor_id=purge.ordered_by,
                    actor_role="system",
                    action="person_purged",
                    subject_id=purge.user_id,
                    session_id=purge.session_id,
                    detail={"because": purge.reason},
                    now_ms=now_ms,
                )
        log.info("purge.done", because=purge.reason)

    async def _not_now(self, purge: Purge, error: Exception) -> None:
        pause_ms = min(1_000 * 2 ** min(purge.attempts, 12), LONGEST_PAUSE_MS)
        now_ms = self._now_ms()
        await purges.again(self._pool, purge.user_id, next_at_ms=now_ms + pause_ms)
        log.warning("purge.not_yet", step=purge.step, attempts=purge.attempts, error=str(error))
        if purge.attempts >= STUCK_AFTER or self._supabase is None:
            detail = {"step": purge.step, "error": str(error)}
            subject = str(purge.user_id)
            await cases.open_case(
                self._pool, "purge_stuck", session_id=None, detail=detail, now_ms=now_ms, subject=subject
            )
