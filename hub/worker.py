"""The worker process: what is done beside the people's sockets. Any number may run; each duty is shared."""

import asyncio
import os
from contextlib import suppress
from functools import partial

import structlog
import uuid_utils
from aiohttp import ClientSession

from billing.stripe_gateway import StripeGateway
from config.settings import Settings
from hub import lifespan, wall_clock
from hub.correcting import Peers
from hub.counting import forget_marks
from hub.lifespan import Stores
from hub.live import Live
from hub.money.funding import Funding
from hub.money.further_holds import FurtherHolds
from hub.survival.recovery import Recovery
from hub.tasks import Tasks
from hub.tell import tell
from hub.vendors import configured
from hub.workers import audited, evidence, flags
from hub.workers.accounts import take_offline
from hub.workers.applications import Applications
from hub.workers.corrections import Corrections
from hub.workers.money import Money
from hub.workers.outcomes import Outcomes
from hub.workers.settle import Settle
from hub.workers.sweep import Deadlines, LostHubs, Standings, Unrecorded
from rooms.ids import HubId, SessionId
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
SWEEP_S = 1.0
STANDINGS_S = 5.0
UNRECORDED_S = 30.0
EVIDENCE_S = 10.0
CORRECTIONS_S = 1.0
MARKS_S = 3_600.0
APPLICATIONS_S = 2.0


class WorkerProcess:
    """One worker, from its parts."""

    def __init__(
        self, settings: Settings, stores: Stores, gateway: StripeGateway, http: ClientSession
    ) -> None:
        self.settings = settings
        self.gateway = gateway
        self.http = http
        self.stores = stores
        self.tasks = Tasks()
        self._over = asyncio.Event()
        self._bus = Bus(stores.redis, on_restored=self._restored)
        name = HubId(f"worker-{uuid_utils.uuid7()}")
        self.flags = flags.duty(settings, stores, consumer=name)
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
        self.money = Money(
            settings,
            stores.pool,
            gateway,
            outcomes,
            is_there=self._is_there,
            offline=partial(take_offline, people, directory),
        )
        self.peers = Peers(stores.pool, self.live, people, directory)
        self.corrections = Corrections(
            stores.pool, gateway, self.peers, environment=settings.environment, now_ms=wall_clock.now_ms
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
        self.flags.listen(self._bus)
        every = self.tasks.every
        every(0, "settle", self._record)
        every(0, "flags", self.flags.when_woken)
        self.money.begin(self.tasks)
        every(SWEEP_S, "lost_hubs", self.lost_hubs.run_once)
        every(SWEEP_S, "deadlines", Deadlines(self.live).run_once)
        every(STANDINGS_S, "standings", self.standings.run_once)
        every(UNRECORDED_S, "unrecorded", self.unrecorded.run_once)
        every(STANDINGS_S, "recovery", self.recovery.ensure)
        every(MARKS_S, "marks", self._forget_marks)
        every(CORRECTIONS_S, "corrections", self.corrections.run_once)
        every(EVIDENCE_S, "evidence", evidence.duty(self.settings, self.stores).run_once)
        audited.begin(every, self.settings, self.stores, self.gateway, self.http)
        self._begin_applications()
        log.info("worker.started")

    def _begin_applications(self) -> None:
        """Without the identity provider's service key nobody becomes a practitioner: they stay approved."""
        supabase = configured.supabase(self.settings, self.http)
        if supabase is not None:
            applications = Applications(self.stores.pool, supabase, self.peers, now_ms=wall_clock.now_ms)
            self.tasks.every(APPLICATIONS_S, "applications", applications.run_once)

    def _restored(self) -> None:
        self._over.set()
        self.flags.look_everywhere()

    async def _is_there(self, session_id: SessionId) -> bool:
        return await self.live.rooms.load(session_id) is not None

    async def _forget_marks(self) -> None:
        await forget_marks(self.stores.keyring, wall_clock.now_ms())

    async def _record(self) -> None:
        """At every session that is over, and once a second for what was missed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await self._over.wait()
        self._over.clear()
        while await self.settle.run_once():
            pass


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Work until `stop` is set. What is under way is finished by whoever finds it."""
    async with (
        lifespan.stores(settings) as stores,
        lifespan.stripe_gateway(settings) as gateway,
        lifespan.http_client() as http,
    ):
        process = WorkerProcess(settings, stores, gateway, http)
        await process.start()
        try:
            await stop.wait()
        finally:
            await process.tasks.end()
            log.info("worker.stopped")
