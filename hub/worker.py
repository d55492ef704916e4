"""The worker process: what is done beside the people's sockets. Any number may run; each duty is shared."""

import asyncio
import os
from contextlib import suppress
from functools import partial

import structlog
import uuid_utils
from aiohttp import ClientSession

from billing.stripe_gateway import StripeGateway
from config import retention
from config.settings import Settings
from hub import lifespan, wall_clock
from hub.correcting import Peers
from hub.counting import forget_marks
from hub.lifespan import Stores
from hub.live import Live
from hub.lobby.closing import close_rooms_of_leaving
from hub.money.funding import Funding
from hub.money.further_holds import FurtherHolds
from hub.settings_view import agora_app
from hub.survival.recovery import Recovery
from hub.tasks import Tasks
from hub.tell import tell
from hub.vendors import configured
from hub.workers import audited, bookings, evidence, export_queue, flags, reminders
from hub.workers.accounts import take_offline
from hub.workers.applications import Applications
from hub.workers.corrections import Corrections
from hub.workers.exports import Exports
from hub.workers.media_times import MediaTimes
from hub.workers.money import Money
from hub.workers.outcomes import Outcomes
from hub.workers.recordings import Recordings
from hub.workers.reviews import ReviewTimeouts
from hub.workers.rewrapping import Rewrapping
from hub.workers.settle import Settle
from hub.workers.sweep import Deadlines, LostHubs, Standings, Unrecorded
from hub.workers.waitlist import Waitlist
from rooms.ids import HubId, SessionId
from store.redis import keys
from store.redis.bus import Bus
from store.redis.chat import Chat
from store.redis.directory import Directory
from store.redis.hubs import Hubs
from store.redis.notices import Notices
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
BOOKINGS_S = 1.0
REMINDERS_S = 2.0
UNFIT_BOOKINGS_S = 5.0
MARKS_S = 3_600.0
REWRAP_S = 5.0
APPLICATIONS_S = 2.0
REVIEWS_S = 5.0
EXPORTS_S = 5.0
RECORDINGS_S = 0.5
MEDIA_TIMES_S = 30.0


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
            stores.keyring,
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
            media_longest_ms=None if settings.agora_app_id is None else settings.agora_token_s * 1000,
        )
        self.waitlist = Waitlist(
            stores.pool,
            directory,
            people,
            Notices(stores.redis),
            is_over=self.live.is_over,
            offer_ms=settings.waitlist_offer_s * 1000,
            quiet_ms=(settings.booking_quiet_s + settings.lobby_opens_s) * 1000,
            now_ms=wall_clock.now_ms,
        )
        voice = flags.Voice(Notices(stores.redis), stores.pool)
        self.reviews = ReviewTimeouts(voice, now_ms=wall_clock.now_ms)
        self.bookings = bookings.duty(settings, stores.pool, self.live, people, directory)
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
        self._bus.listen(keys.DIRECTORY, self.waitlist.wake)
        every = self.tasks.every
        every(0, "settle", self._record)
        every(0, "flags", self.flags.when_woken)
        every(0, "waitlist", self.waitlist.when_woken)
        every(REVIEWS_S, "reviews", self.reviews.run_once)
        self.money.begin(self.tasks)
        every(SWEEP_S, "lost_hubs", self.lost_hubs.run_once)
        every(SWEEP_S, "deadlines", Deadlines(self.live).run_once)
        every(STANDINGS_S, "standings", self.standings.run_once)
        every(UNRECORDED_S, "unrecorded", self.unrecorded.run_once)
        every(STANDINGS_S, "recovery", self.recovery.ensure)
        every(MARKS_S, "marks", self._forget_marks)
        rewrapping = Rewrapping(self.stores.pool, self.stores.keyring, now_ms=wall_clock.now_ms)
        every(REWRAP_S, "keys.rewrap", rewrapping.run_once)
        every(CORRECTIONS_S, "corrections", self.corrections.run_once)
        every(BOOKINGS_S, "bookings", self.bookings.run)
        self._begin_reminders()
        every(UNFIT_BOOKINGS_S, "bookings.unfit", self.bookings.call_off)
        closing = partial(close_rooms_of_leaving, self.stores.pool, self.live)
        every(UNFIT_BOOKINGS_S, "live_rooms.leaving", closing)
        every(EVIDENCE_S, "evidence", evidence.duty(self.settings, self.stores).run_once)
        audited.begin(every, self.settings, self.stores, self.gateway, self.http)
        self._begin_applications()
        self._begin_exports()
        self._begin_media()
        log.info("worker.started")

    def _begin_reminders(self) -> None:
        """Without Twilio nobody is reminded."""
        duty = reminders.duty(self.settings, self.stores, self.http)
        if duty is not None:
            self.tasks.every(REMINDERS_S, "reminders", duty.run_once)

    def _begin_applications(self) -> None:
        """Without the identity provider's service key nobody becomes a practitioner: they stay approved."""
        supabase = configured.supabase(self.settings, self.http)
        if supabase is not None:
            applications = Applications(self.stores.pool, supabase, self.peers, now_ms=wall_clock.now_ms)
            self.tasks.every(APPLICATIONS_S, "applications", applications.run_once)

    def _begin_exports(self) -> None:
        """The sweep asks again for what the queue has lost, so both are there."""
        settings, stores = self.settings, self.stores
        exports = Exports(
            stores.pool,
            Notices(stores.redis),
            stores.keyring,
            now_ms=wall_clock.now_ms,
            lease_ms=settings.export_lease_s * 1000,
            keep_ms=settings.export_keep_s * 1000,
            kept_for=retention.chosen(settings.retention_file),
        )
        dsn = (settings.database_direct_url or settings.database_url).get_secret_value()
        listen = partial(export_queue.work, dsn, exports.make, lease_s=settings.export_lease_s)
        self.tasks.forever("exports.queue", listen)
        self.tasks.every(EXPORTS_S, "exports", exports.run_once)

    def _begin_media(self) -> None:
        """Where Agora carries the media: recordings, and whether it saw what was billed."""
        settings, every = self.settings, self.tasks.every
        app, agora = agora_app(settings), configured.agora(settings, self.http)
        recorder = configured.cloud_recording(settings, self.http)
        if app is not None and agora is not None and recorder is not None:
            duty = Recordings(self.stores.pool, self.live, recorder, agora, app, now_ms=wall_clock.now_ms)
            every(RECORDINGS_S, "recordings", duty.run_once)
        if app is not None and settings.agora_webhook_secret is not None:
            compare = MediaTimes(self.stores.pool, now_ms=wall_clock.now_ms)
            every(MEDIA_TIMES_S, "media_times", compare.run_once)

    def _restored(self) -> None:
        self._over.set()
        self.flags.look_everywhere()
        self.waitlist.wake()

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
        lifespan.way_out(settings) as out,
    ):
        process = WorkerProcess(settings, stores, out.stripe, out.http)
        await process.start()
        try:
            await stop.wait()
        finally:
            await process.tasks.end()
            log.info("worker.stopped")
