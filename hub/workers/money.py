"""What a worker does about money, put together: sending, hearing from Stripe, comparing, putting right."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import asyncpg

from billing.stripe_gateway import StripeGateway
from config.settings import Settings
from hub import wall_clock
from hub.money import fraud_rules
from hub.tasks import Tasks
from hub.workers.accounts import Accounts
from hub.workers.cards import Cards
from hub.workers.disputes import Disputes
from hub.workers.failed_refunds import FailedRefunds
from hub.workers.fraud import Fraud
from hub.workers.media_news import media_news
from hub.workers.news import news
from hub.workers.outcomes import Outcomes
from hub.workers.payments import Payments
from hub.workers.reaper import Reaper
from hub.workers.reconciler import Reconciler
from hub.workers.restitution import Restitutions
from hub.workers.sms_news import sms_news
from hub.workers.unpaid import Unpaid
from hub.workers.webhooks import INTENT_NEWS, Webhooks
from rooms.ids import SessionId, UserId
from store.postgres import operations
from store.postgres import pool as postgres
from store.privacy.keys import Keyring

PAYMENTS_S: Final = 1.0
PAYMENT_LANES: Final = 2
"""So that one call that hangs at Stripe does not hold up all others."""
WEBHOOKS_S: Final = 0.25
UNPAID_S: Final = 30.0
REAPER_S: Final = 60.0
FRAUD_S: Final = 60.0
RESTITUTION_S: Final = 5.0
RECONCILE_S: Final = 300.0
RECONCILE_FIRST_S: Final = 30.0
"""What was going on when a worker died is first gone on with."""


class Money:
    """The duties. `is_there` says whether a session is live; `offline` takes somebody off the directory."""

    def __init__(
        self,
        settings: Settings,
        pool: asyncpg.Pool,
        keyring: Keyring,
        gateway: StripeGateway,
        outcomes: Outcomes,
        *,
        is_there: Callable[[SessionId], Awaitable[bool]],
        offline: Callable[[UserId], Awaitable[None]],
    ) -> None:
        environment, now_ms = settings.environment, wall_clock.now_ms
        self._settings = settings
        self._wanted = asyncio.Event()
        self._compared_never = True
        self._payments = Payments(pool, gateway, outcomes, now_ms=now_ms)
        self._accounts = Accounts(pool, gateway, offline=offline, now_ms=now_ms)
        disputes = Disputes(pool, gateway, environment=environment, now_ms=now_ms)
        failed_refunds = FailedRefunds(pool, gateway, environment=environment, now_ms=now_ms)
        cards = Cards(pool, gateway, environment=environment, now_ms=now_ms)
        also = {**news(self._accounts, disputes, failed_refunds), **cards.news()}
        heard = {**also, **media_news(pool, now_ms=now_ms), **sms_news(pool, now_ms=now_ms)}
        self._webhooks = Webhooks(pool, gateway, outcomes, now_ms=now_ms, also=heard)
        self._reconciler = Reconciler(pool, gateway, wanted={*INTENT_NEWS, *also}, now_ms=now_ms)
        delay_ms = settings.transfer_delay_s * 1000
        self._unpaid = Unpaid(pool, environment=environment, delay_ms=delay_ms, now_ms=now_ms)
        self._restitutions = Restitutions(pool, keyring, environment=environment, now_ms=now_ms)
        self._fraud = Fraud(pool, fraud_rules.load(settings.fraud_rules), now_ms=now_ms)
        self._reaper = Reaper(pool, is_there=is_there, environment=environment, now_ms=now_ms)

    def begin(self, tasks: Tasks) -> None:
        """Begin all of them."""
        every = tasks.every
        for lane in range(PAYMENT_LANES):
            every(0, f"payments-{lane}", self._pay)
        every(WEBHOOKS_S, "webhooks", self._webhooks.run_once)
        every(UNPAID_S, "unpaid", self._unpaid.run_once)
        every(REAPER_S, "reaper", self._reaper.run_once)
        every(FRAUD_S, "fraud", self._fraud.run_once)
        every(RESTITUTION_S, "restitution", self._restitutions.run_once)
        every(0, "reconciler", self._compare)
        tasks.forever("payments.listen", self._listen)

    async def _pay(self) -> None:
        """At every notice of a new operation, and once a second for what fell due by itself."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PAYMENTS_S):
                await self._wanted.wait()
        self._wanted.clear()
        await self._payments.run_once()

    async def _compare(self) -> None:
        """Soon after the start, for what was missed while nobody worked; then again and again."""
        await asyncio.sleep(RECONCILE_FIRST_S if self._compared_never else RECONCILE_S)
        self._compared_never = False
        await self._reconciler.run_once()
        await self._accounts.run_once()

    async def _listen(self) -> None:
        dsn = self._settings.database_direct_url or self._settings.database_url
        await postgres.listen(dsn.get_secret_value(), operations.CHANNEL, lambda _payload: self._wanted.set())
