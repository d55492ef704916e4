"""The worker process: what is done beside the people's sockets. Any number may run; each duty is shared."""

import asyncio
import os
from contextlib import suppress
from functools import partial

import structlog
import uuid_utils

from billing.stripe_gateway import StripeGateway
from config.settings import Settings
from hub import lifespan, wall_clock
from hub.correcting import Peers
from hub.counting import forget_marks
from hub.funding import Funding
from hub.further_holds import FurtherHolds
from hub.lifespan import Stores
from hub.live import Live
from hub.recovery import Recovery
from hub.tasks import Tasks
from hub.tell import tell
from hub.workers.accounts import Accounts, take_offline
from hub.workers.cards import Cards
from hub.workers.corrections import Corrections
from hub.workers.disputes import Disputes
from hub.workers.news import news
from hub.workers.outcomes import Outcomes
from hub.workers.payments import Payments
from hub.workers.reaper import Reaper
from hub.workers.reconciler import Reconciler
from hub.workers.settle import Settle
from hub.workers.sweep import Deadlines, LostHubs, Standings, Unrecorded
from hub.workers.unpaid import Unpaid
from hub.workers.webhooks import INTENT_NEWS, Webhooks
from rooms.ids import HubId, SessionId
from store.postgres import operations
from store.postgres import pool as postgres
from store.redis import keys
from store.redis.bus import Bus
from store.redis.chat import Chat
from store.redis.directory import Directory
from store.redis.hubs import Hubs
from store.redis.people import People
from store.redis.rooms import Rooms
from store.redis.settlements import SettlementQueue

log = structlog.get_logger()

SETTLE_S = 1.0
PAYMENTS_S = 1.0
PAYMENT_LANES = 2
"""So that one call that hangs at Stripe does not hold up all others."""
WEBHOOKS_S = 0.25
SWEEP_S = 1.0
STANDINGS_S = 5.0
UNRECORDED_S = 30.0
UNPAID_S = 30.0
REAPER_S = 60.0
RECONCILE_S = 300.0
CORRECTIONS_S = 1.0
MARKS_S = 3_600.0


class WorkerProcess:
    """One worker, from its parts."""

    def __init__(self, settings: Settings, stores: Stores, gateway: StripeGateway) -> None:
        self.settings = settings
        self.stores = stores
        self.tasks = Tasks()
        self._wanted = asyncio.Event()
        self._over = asyncio.Event()
        self._bus = Bus(stores.redis, on_restored=self._over.set)
        name = HubId(f"worker-{uuid_utils.uuid7()}")
        hubs, people = Hubs(stores.redis), People(stores.redis)
        directory = Directory(stores.redis)
        self.chat = Chat(stores.redis, interval_ms=0, burst=1)
        rooms = Rooms(stores.redis, hub=lambda: name, tell=tell)
        self.live = Live(
            rooms,
            people,
            directory,
            heard_here=lambda _room: {},
            heard_elsewhere=hubs.proofs,
            last_beats=hubs.last_beats,
            here=lambda: name,
            order=FurtherHolds(stores.pool, environment=settings.environment, now_ms=wall_clock.now_ms).order,
        )
        funding = Funding(self.live, stores.pool)
        settled = partial(funding.settled, now_ms=wall_clock.now_ms)
        outcomes = Outcomes(
            stores.pool,
            apply=funding.apply,
            settled=settled,
            now_ms=wall_clock.now_ms,
            environment=settings.environment,
        )
        self.payments = Payments(stores.pool, gateway, outcomes, now_ms=wall_clock.now_ms)
        self.accounts = Accounts(
            stores.pool,
            gateway,
            offline=partial(take_offline, people, directory),
            now_ms=wall_clock.now_ms,
        )
        self.corrections = Corrections(
            stores.pool,
            gateway,
            Peers(stores.pool, self.live, people, directory),
            environment=settings.environment,
            now_ms=wall_clock.now_ms,
        )
        disputes = Disputes(stores.pool, gateway, environment=settings.environment, now_ms=wall_clock.now_ms)
        also = {**news(self.accounts, disputes), **Cards(stores.pool, gateway).news()}
        self.webhooks = Webhooks(stores.pool, gateway, outcomes, now_ms=wall_clock.now_ms, also=also)
        self.reconciler = Reconciler(
            stores.pool, gateway, wanted={*INTENT_NEWS, *also}, now_ms=wall_clock.now_ms
        )
        self.unpaid = Unpaid(
            stores.pool,
            environment=settings.environment,
            delay_ms=settings.transfer_delay_s * 1000,
            now_ms=wall_clock.now_ms,
        )
        self.reaper = Reaper(
            stores.pool,
            is_there=self._is_there,
            environment=settings.environment,
            now_ms=wall_clock.now_ms,
        )
        self.settle = Settle(
            pool=stores.pool,
            queue=SettlementQueue(stores.redis, consumer=f"{os.getpid()}-{name}"),
            rooms=rooms,
            chat=self.chat,
            environment=settings.environment,
            now_ms=wall_clock.now_ms,
            settled=settled,
            transfer_delay_ms=settings.transfer_delay_s * 1000,
        )
        self.unrecorded = Unrecorded(self.live, self.settle)
        self.lost_hubs = LostHubs(hubs, self.live, people, directory, dead_after_s=settings.hub_dead_s)
        self.standings = Standings(hubs, self.live, people, directory)
        self.recovery = Recovery(
            stores.pool, hubs, rooms, self.chat, people, directory, now_ms=wall_clock.now_ms
        )

    async def start(self) -> None:
        """Begin every duty."""
        await self.recovery.ensure()
        self.tasks.forever("bus", self._bus.run)
        for bucket in keys.BUCKETS:
            self._bus.listen(keys.settlements(bucket), lambda _message: self._over.set())
        every = self.tasks.every
        every(0, "settle", self._record)
        for lane in range(PAYMENT_LANES):
            every(0, f"payments-{lane}", self._pay)
        every(WEBHOOKS_S, "webhooks", self.webhooks.run_once)
        every(SWEEP_S, "lost_hubs", self.lost_hubs.run_once)
        every(SWEEP_S, "deadlines", Deadlines(self.live).run_once)
        every(STANDINGS_S, "standings", self.standings.run_once)
        every(UNRECORDED_S, "unrecorded", self.unrecorded.run_once)
        every(STANDINGS_S, "recovery", self.recovery.ensure)
        every(MARKS_S, "marks", self._forget_marks)
        every(CORRECTIONS_S, "corrections", self.corrections.run_once)
        every(UNPAID_S, "unpaid", self.unpaid.run_once)
        every(REAPER_S, "reaper", self.reaper.run_once)
        every(0, "reconciler", self._compare)
        self.tasks.forever("payments.listen", self._listen)
        log.info("worker.started")

    async def _listen(self) -> None:
        settings = self.settings
        dsn = settings.database_direct_url or settings.database_url
        await postgres.listen(dsn.get_secret_value(), operations.CHANNEL, lambda _payload: self._wanted.set())

    async def _is_there(self, session_id: SessionId) -> bool:
        return await self.live.rooms.load(session_id) is not None

    async def _forget_marks(self) -> None:
        await forget_marks(self.stores.keyring, wall_clock.now_ms())

    async def _compare(self) -> None:
        """Not at the start: what was going on when a worker died is first gone on with."""
        await asyncio.sleep(RECONCILE_S)
        await self.reconciler.run_once()
        await self.accounts.run_once()

    async def _record(self) -> None:
        """At every session that is over, and once a second for what was missed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await self._over.wait()
        self._over.clear()
        while await self.settle.run_once():
            pass

    async def _pay(self) -> None:
        """At every notice of a new operation, and once a second for what fell due by itself."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PAYMENTS_S):
                await self._wanted.wait()
        self._wanted.clear()
        await self.payments.run_once()


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Work until `stop` is set. What is under way is finished by whoever finds it."""
    async with lifespan.stores(settings) as stores, lifespan.stripe_gateway(settings) as gateway:
        process = WorkerProcess(settings, stores, gateway)
        await process.start()
        try:
            await stop.wait()
        finally:
            await process.tasks.end()
            log.info("worker.stopped")
