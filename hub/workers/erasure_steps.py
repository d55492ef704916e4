"""What is done to erase somebody, step by step. Each can be repeated, and none goes before the one above it.

settled     nobody has to look at it again, and all money has arrived, also at their bank
sign_in     they are buried: nobody signs in as them, nor is anybody who did; what began meanwhile is over
customer    Stripe forgets who paid
account     Stripe forgets who was paid, once nothing is left to pay
messages    Twilio forgets what was sent to their telephone, or came from it
channels    Agora forgets out of which channels they were kept
record      every table, as the registry says; a pseudonym stands where their id stood
live_store  rooms, and every key of theirs
key         what others had in memory and wrote meanwhile goes as well; then what they themselves wrote is
            unreadable in every copy, and nobody finds the pseudonym from their id
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import asyncpg
from redis.asyncio import Redis

from billing.stripe_customers import MoneyLeft, delete_account, delete_customer, require_empty
from billing.stripe_gateway import StripeGateway
from hub.reviews import rating
from hub.vendors.agora import AgoraRest
from hub.vendors.asking import VendorUnavailable
from hub.vendors.supabase import SupabaseAdmin
from hub.vendors.twilio import Twilio
from rooms.ids import SessionId, UserId
from store.postgres import audit, cards, disclosures, erasures, keys, people, reviews
from store.postgres.erasures import Erasure
from store.privacy import erasing, pseudonym, tombstones
from store.privacy.keys import Keyring
from store.redis.residue import forget_person, forget_rooms
from store.redis.revocations import Revocations

ROOMS: Final = 500
RATED_AFTER_MS: Final = 5_000
KICKS_MAX: Final = 500
CLOCK_SKEW_S: Final = 60
NAME: Final = "Removed person"

Step = Callable[[Erasure], Awaitable[None]]


class Waits(Exception):
    """The step's time has not come. `what` it waits for, as a code."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


@dataclass(frozen=True, slots=True)
class Vendors:
    """Everybody else who knows people of ours; None where this installation has none."""

    gateway: StripeGateway
    supabase: SupabaseAdmin | None
    twilio: Twilio | None = None
    agora: AgoraRest | None = None


class Steps:
    """The steps of one erasure, in order. Each raises Waits, or a vendor's two ways to fail."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        redis: Redis,
        vendors: Vendors,
        keyring: Keyring,
        *,
        now_ms: Callable[[], int],
    ) -> None:
        self._pool = pool
        self._redis = redis
        self._vendors = vendors
        self._keyring = keyring
        self._now_ms = now_ms

    def in_order(self) -> tuple[tuple[str, Step], ...]:
        """Their names, and what each does."""
        return (
            ("settled", self._settled),
            ("sign_in", self._sign_in),
            ("customer", self._customer),
            ("account", self._account),
            ("messages", self._messages),
            ("channels", self._channels),
            ("record", self._record),
            ("live_store", self._live_store),
            ("key", self._key),
        )

    async def _settled(self, erasure: Erasure) -> None:
        if await erasures.contested(self._pool, erasure.user_id):
            raise Waits("appeal")
        if await erasures.unsettled(self._pool, erasure.user_id):
            raise Waits("sessions")
        if await erasures.disputed(self._pool, erasure.user_id):
            raise Waits("dispute")
        account = await erasures.account_of(self._pool, erasure.user_id)
        if account is not None:
            # While they can still sign in: only they can tell Stripe of another bank.
            try:
                await require_empty(self._vendors.gateway, account)
            except MoneyLeft:
                raise Waits("balance") from None

    async def _sign_in(self, erasure: Erasure) -> None:
        supabase, user_id = self._vendors.supabase, erasure.user_id
        if supabase is None:
            raise VendorUnavailable("there is no service key")
        now_ms = self._now_ms()
        # Before anything is done that cannot be taken back: from here on nobody makes them a new profile.
        await tombstones.bury(
            self._pool, self._redis, self._keyring, user_id, reason=erasure.source, now_ms=now_ms
        )
        # Also what a clock ahead of ours has dated: nobody signs in as them after this anyway.
        await Revocations(self._redis).revoke(user_id, "", "global", at_s=now_ms // 1000 + CLOCK_SKEW_S)
        if await erasures.unsettled(self._pool, user_id):
            # It was asked for before their request was noted, and begun after it was looked.
            raise Waits("sessions")
        await disclosures.disclosed(self._pool, user_id, "supabase", "erasure", now_ms=now_ms)
        await supabase.delete(user_id)

    async def _customer(self, erasure: Erasure) -> None:
        card = await people.card(self._pool, erasure.user_id)
        known = {await cards.customer(self._pool, erasure.user_id), card.stripe_customer if card else None}
        for customer in sorted(one for one in known if one is not None):
            await self._telling_stripe(erasure)
            await delete_customer(self._vendors.gateway, customer)

    async def _account(self, erasure: Erasure) -> None:
        account = await erasures.account_of(self._pool, erasure.user_id)
        if account is None:
            return
        await self._telling_stripe(erasure)
        try:
            await delete_account(self._vendors.gateway, account)
        except MoneyLeft:
            raise Waits("balance") from None

    async def _telling_stripe(self, erasure: Erasure) -> None:
        await disclosures.disclosed(self._pool, erasure.user_id, "stripe", "erasure", now_ms=self._now_ms())

    async def _messages(self, erasure: Erasure) -> None:
        person, twilio = await people.person(self._pool, erasure.user_id), self._vendors.twilio
        if twilio is None or person is None or person.phone is None:
            return
        await disclosures.disclosed(self._pool, erasure.user_id, "twilio", "erasure", now_ms=self._now_ms())
        await twilio.forget(person.phone)

    async def _channels(self, erasure: Erasure) -> None:
        """Agora has no name of anybody. What it knows of them is a number in a channel, and its own records
        of calls by that number, which it deletes by itself; a rule that is in force can be taken away
        before.
        """
        if self._vendors.agora is None:
            return
        rules = await erasures.kicks_of(self._pool, erasure.user_id, now_ms=self._now_ms(), limit=KICKS_MAX)
        for rule in rules:
            await self._vendors.agora.lift(rule.rule_id)

    async def _record(self, erasure: Erasure) -> None:
        user_id, now_ms = erasure.user_id, self._now_ms()
        lasting = await pseudonym.find(self._keyring, user_id)
        # Without their key this was all done before: no shell is needed for what came too late.
        replaced = lasting or pseudonym.passing()
        async with self._pool.acquire() as connection, connection.transaction():
            for rated in await reviews.rated_by(connection, user_id):
                # What they wrote goes in a moment, and these ratings change with it.
                await rating.want_told(connection, rated, now_ms=now_ms, after_ms=RATED_AFTER_MS)
            if lasting is not None:
                await erasures.shell(connection, replaced, user_id, name=NAME)
                # Nobody makes a key for somebody who is nobody.
                await keys.shred(connection, replaced, now_ms=now_ms)
            await erasures.forget_findings(connection, user_id, replaced)
            # While it is known which sessions were theirs.
            await audit.erase_texts(connection, user_id, now_ms=now_ms)
        await erasing.erase(self._pool, user_id, replaced)

    async def _live_store(self, erasure: Erasure) -> None:
        lasting = await pseudonym.find(self._keyring, erasure.user_id)
        theirs = [erasure.user_id, *([] if lasting is None else [lasting])]
        after: SessionId | None = None
        while page := await erasures.sessions_of(self._pool, theirs, after=after, limit=ROOMS):
            await forget_rooms(self._redis, page)
            after = page[-1]
        await forget_person(self._redis, UserId(erasure.user_id))

    async def _key(self, erasure: Erasure) -> None:
        """The other processes drop it within seconds."""
        if erasure.attempts == 0:
            # Straight after the step before. By the next time whoever read about them under their own id has
            # written what came of it.
            raise Waits("others")
        await self._record(erasure)
        await self._keyring.shred(erasure.user_id)
