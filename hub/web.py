"""The web process: people's sockets and requests. Here everything is put together, and taken apart again.

Start: stores → epoch agreed → first heartbeat → duties → listen.
SIGTERM: not ready → people are asked to come back elsewhere → departures recorded → retired → closed.
"""

import asyncio
import time
from collections.abc import Collection
from functools import partial

import structlog
import uuid_utils
from aiohttp import ClientSession, web

from billing.stripe_gateway import StripeGateway
from config import retention
from config.settings import Settings
from hub import lifespan, wall_clock
from hub.admission import Admission
from hub.app import make_app
from hub.arrivals import Arrivals
from hub.callers import Callers
from hub.chatting import reopened
from hub.delivery import Delivery, Follow
from hub.disclosing import Disclosing
from hub.edge.auth import Tokens
from hub.edge.connection import Connection
from hub.edge.dispatch import Dispatch
from hub.edge.sockets import Sockets
from hub.events import HANDLERS
from hub.follow import Follows
from hub.hub import Filing, Hub, Incarnation
from hub.identity import Identity
from hub.lifespan import Stores
from hub.live import Live
from hub.metrics import Counted, Metrics
from hub.moderation import observing, suspending
from hub.moderation.desk import Desk
from hub.moderation.standards import standards
from hub.money.further_holds import FurtherHolds
from hub.policy import Heeding, Policy
from hub.presence import Presence
from hub.safety import helplines, rules
from hub.safety.block_cache import Blocks
from hub.safety.holding import HeldTimeouts, reject_all
from hub.safety.judging import Safety
from hub.settings_view import agora_app, edge_numbers, offer, pace, sizes
from hub.survival.survival import Survival
from hub.tasks import Tasks
from hub.tell import tell
from hub.vendors import configured
from hub.watchers import Watchers
from hub.workers import audited, flags
from hub.workers.acts import Acts
from hub.workers.sweep import Deadlines, LostHubs, Standings
from rooms.departure import Proofs
from rooms.ids import HubId, SessionId, UserId
from store.postgres import erasures
from store.postgres import flags as flag_records
from store.postgres import retention as removals
from store.redis import keys
from store.redis.allowances import Allowances
from store.redis.announcements import Announcements
from store.redis.bus import Bus
from store.redis.chat import Chat
from store.redis.clock import StoreClock
from store.redis.directory import Directory
from store.redis.held import Held
from store.redis.hubs import Hubs
from store.redis.moderation import Moderation
from store.redis.notices import Notices
from store.redis.people import People
from store.redis.revocations import Revocations
from store.redis.rooms import Rooms

log = structlog.get_logger()

DAY_MS = 86_400_000
SWEEP_S = 1.0
STANDINGS_S = 5.0
SETTLE_AGAIN_S = 0.1
CALLERS_S = 2.0
DISCLOSURES_S = 2.0
LAST_WORDS_S = 3.0


class WebProcess:
    """One hub process, from its parts."""

    def __init__(
        self, settings: Settings, stores: Stores, http: ClientSession, stripe: StripeGateway
    ) -> None:
        self.settings = settings
        self.stores = stores
        self.stripe = stripe
        self.http = http
        self.tasks = Tasks()
        self.here = Incarnation(HubId(str(uuid_utils.uuid7())))
        self.clock = StoreClock()
        self.hubs = Hubs(stores.redis)
        self.presence = Presence(self.clock)
        self.watchers = Watchers()
        self.people = People(stores.redis)
        self.directory = Directory(stores.redis)
        self.chat = Chat(stores.redis, **pace(settings))
        self.flags = flags.duty(settings, stores, consumer=self.here())
        book = rules.load(settings.rules_dir or rules.FOLDER, hosts=settings.hosts)
        self.safety = Safety(book, held_ms=settings.held_message_s * 1000)
        rooms = Rooms(stores.redis, hub=self.here.writing, tell=tell, absent=self._absent)
        self.live = Live(
            rooms,
            self.people,
            self.directory,
            heard_here=self.presence.heard_here,
            heard_elsewhere=self.hubs.proofs,
            last_beats=self.hubs.last_beats,
            here=self.here,
            order=FurtherHolds(stores.pool, environment=settings.environment, now_ms=wall_clock.now_ms).order,
        )
        self.bus = Bus(stores.redis, on_restored=self._bus_restored, on_lost=self._bus_lost)
        self.follows = Follows(
            self.bus,
            rooms,
            self.chat,
            delivery=Delivery(self._sockets_of),
            has_socket=lambda user_id: bool(self._sockets_of(user_id)),
            open_message=partial(reopened, stores.keyring),
            on_due=self._due,
            on_over=self._session_over,
            delay_s=self._delay_s,
            on_healed=self._healed,
        )
        tokens = Tokens(
            issuer=settings.issuer,
            jwks_url=settings.jwks_url,
            http=http,
            now_s=wall_clock.now_s,
            require_aal2=settings.staff_aal == "aal2",
        )
        self.policy = Policy(
            stores.pool,
            sockets=self._everybody,
            sockets_of=self._sockets_of,
            spawn=self.tasks.spawn,
            now_ms=wall_clock.now_ms,
        )
        self.callers = Callers(stores.pool, stores.keyring.root, now_ms=wall_clock.now_ms)
        self.identity = Identity(tokens, Revocations(stores.redis), seen=self.callers.note)
        self.metrics = Metrics(connections=lambda: len(self.sockets.connections), rooms=self._count_rooms)
        self.disclosing = Disclosing(stores.pool, now_ms=wall_clock.now_ms)
        self.hub = self._hub()
        self.arrivals = Arrivals(self.hub, self.bus)
        self.admission = Admission(stores.pool, self.hub.moderation, stores.keyring, now_ms=wall_clock.now_ms)
        numbers = edge_numbers(settings)
        dispatch = Dispatch(
            HANDLERS, self.hub, now_ms=wall_clock.now_ms, handler_limit_s=numbers.handler_limit_s
        )
        self.sockets = Sockets(
            tokens=self.identity,
            dispatch=Heeding(Counted(dispatch, self.metrics), self.policy),
            opened=self._opened,
            gone=self._gone,
            now_ms=wall_clock.now_ms,
            monotonic=time.monotonic,
            origins=settings.origins,
            proxies=[str(network) for network in settings.trusted_proxies],
            numbers=numbers,
            admit=self.admission.admit,
        )
        self.survival = Survival(
            stores,
            self.here,
            self.clock,
            self.hubs,
            self.live,
            self.chat,
            self.people,
            self.directory,
            self.follows,
            self.presence,
            self.watchers,
            self.admission,
            raise_again=self._raise_flags_again,
            drop_all=self.sockets.drop_all,
        )

    def _hub(self) -> Hub:
        settings = self.settings
        return Hub(
            here=self.here,
            identity=self.identity,
            pool=self.stores.pool,
            keyring=self.stores.keyring,
            live=self.live,
            chat=self.chat,
            held=Held(self.stores.redis),
            safety=self.safety,
            notices=Notices(self.stores.redis),
            helplines=helplines.load(settings.rules_dir or rules.FOLDER),
            people=self.people,
            directory=self.directory,
            follows=self.follows,
            presence=self.presence,
            watchers=self.watchers,
            moderation=Moderation(self.stores.redis),
            standards=standards(settings),
            desk=Desk(claimed_s=self.metrics.claimed_s.observe),
            blocks=Blocks(self.stores.pool, self.watchers, self.directory),
            filing=Filing(
                allowances=Allowances(self.stores.redis),
                per_hour=settings.reports_per_hour,
                keep_ms=settings.evidence_days * DAY_MS,
            ),
            observe_ms=settings.observe_s * 1000,
            offer=offer(settings),
            stripe=self.stripe,
            roles=audited.roles(settings, self.stores, self.http),
            refund_alone_minor=settings.refund_two_people_minor,
            sizes=sizes(settings),
            agora=agora_app(settings),
            media_longest_ms=settings.agora_token_s * 1000,
            now_ms=wall_clock.now_ms,
            epoch=self._epoch,
            sockets_of=self._sockets_of,
            spawn=self.tasks.spawn,
            announce=Announcements(self.stores.redis).announce,
            periods=retention.chosen(settings.retention_file),
            exports_per_week=settings.exports_per_week,
            disclose=self.disclosing.note,
            erasure_grace_ms=settings.erasure_grace_s * 1000,
            records=configured.cloud_recording(settings, self.http) is not None,
        )

    def _everybody(self) -> Collection[Connection]:
        return self.sockets.connections.values()

    def _opened(self, connection: Connection) -> None:
        self.arrivals.opened(connection)
        self.policy.opened(connection)

    def _gone(self, connection: Connection, reason: str) -> None:
        self.arrivals.gone(connection, reason)
        self.policy.gone(connection)

    # Start and stop.

    async def start(self) -> None:
        """Ready for people: the store is heard, its time is known, and the duties run."""
        await self.survival.agree()
        self.tasks.forever("bus", self.bus.run)
        await self.bus.subscribe(keys.DIRECTORY, self.watchers.hear)
        await self.policy.start()
        await self.bus.subscribe(keys.POLICY, self.policy.hear)
        await self.bus.subscribe(keys.MODERATION, self.hub.desk.hear)
        await self.survival.beat()
        settings, every = self.settings, self.tasks.every
        every(settings.heartbeat_s, "heartbeat", self.survival.beat)
        every(settings.checkpoint_s, "checkpoints", self.survival.checkpoint)
        every(SWEEP_S, "departures", self._record_departures)
        every(CALLERS_S, "callers", self.callers.run_once)
        every(DISCLOSURES_S, "disclosures", self.disclosing.run_once)
        every(SWEEP_S, "lost_hubs", self._lost_hubs().run_once)
        every(SWEEP_S, "deadlines", Deadlines(self.live).run_once)
        self.flags.listen(self.bus)
        every(0, "flags", self.flags.when_woken)
        every(audited.FORGET_S, "keys.forget", audited.forgetting(self.stores).run_once)
        every(SWEEP_S, "acts", Acts(self.hub).run_once)
        every(SWEEP_S, "desk", partial(self.hub.desk.run_once, self.hub))
        every(STANDINGS_S, "queue.figures", self._count_flags)
        every(SWEEP_S, "held", HeldTimeouts(self.hub).run_once)
        every(
            STANDINGS_S,
            "standings",
            Standings(self.hubs, self.live, self.people, self.directory).run_once,
        )
        log.info("hub.started", hub=self.here())

    async def drain(self) -> None:
        """Hand everybody over: they are told, given time, and their last presence is recorded."""
        log.info("hub.draining", hub=self.here(), connections=len(self.sockets.connections))
        await self.sockets.drain(reconnect_within_ms=self.settings.drain_s * 1000)

    async def stop(self) -> None:
        """Record what is owed, end the duties, say that this hub is gone."""
        try:
            async with asyncio.timeout(self.settings.drain_s):
                await self._settle_up()
                # A last heartbeat after the retirement would bring a hub back that is gone.
                await self.tasks.end()
                await self.hubs.retire(self.here())
        except Exception as error:  # noqa: BLE001  Whatever is left is found by the sweep of another hub.
            log.warning("hub.stopped_owing", owed=self.presence.owed, error=type(error).__name__)
        await self.tasks.end()
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await self.disclosing.run_once()
        except Exception as error:  # noqa: BLE001  The record is away, and nobody waits for it any more.
            log.warning("hub.stopped_undisclosed", error=type(error).__name__)
        log.info("hub.stopped", hub=self.here())

    async def _settle_up(self) -> None:
        await self._record_departures()
        while self.presence.owed:
            await asyncio.sleep(SETTLE_AGAIN_S)
            await self._record_departures()

    # Duties.

    async def _record_departures(self) -> int:
        lost = await self.watchers.record_lost(self.people, self.directory)
        return lost + await self.presence.record_departures(self.live)

    def _lost_hubs(self) -> LostHubs:
        return LostHubs(
            self.hubs, self.live, self.people, self.directory, dead_after_s=self.settings.hub_dead_s
        )

    def _due(self, session_id: SessionId) -> None:
        self.tasks.spawn("room.due", lambda: self.live.tick(session_id))

    def _delay_s(self, due_ms: int) -> float:
        # The clock is a lower bound, so a timer may fire a little early; then the tick finds nothing due,
        # and the sweep comes again. A little late is cheaper than twice.
        return max(0.0, (due_ms - self.clock.at_ms(time.monotonic())) / 1000) + 0.005

    def _session_over(self, session_id: SessionId) -> Proofs:
        self.tasks.spawn("chat.reject_held", lambda: reject_all(self.hub, session_id))
        return self.presence.over(session_id)

    def _healed(self, followed: Follow) -> None:
        """The bus was away: what is not in the transcript is told to observers again."""
        if followed.observers:
            self.tasks.spawn("observing.heal", lambda: observing.tell_withheld(self.hub, followed))

    def _epoch(self) -> str:
        return self.survival.epoch()

    def _sockets_of(self, user_id: UserId) -> Collection[Connection]:
        return self.sockets.of(user_id)

    def _count_rooms(self) -> int:
        return len(self.follows.by_room)

    async def _count_flags(self) -> None:
        self.metrics.queue(await flag_records.figures(self.stores.pool), now_ms=wall_clock.now_ms())
        self.metrics.erasures(await erasures.figures(self.stores.pool, now_ms=wall_clock.now_ms()))
        self.metrics.removed(await removals.totals(self.stores.pool))

    async def _drop_suspended(self) -> None:
        """The bus was away: whoever was suspended meanwhile is still here."""
        await suspending.remember_all(self.hub)
        await suspending.drop_suspended(self.hub, list(self.sockets.connections.values()))

    def _bus_lost(self) -> None:
        self.here.in_doubt = True

    def _bus_restored(self) -> None:
        log.warning("bus.restored")
        self.policy.hear()
        self.flags.look_everywhere()
        self.tasks.spawn("suspended.drop", self._drop_suspended)
        self.tasks.spawn("blocks.read_again", self.hub.blocks.read_again)
        self.tasks.spawn("bus.reconcile", self.survival.get_in_step)

    async def _raise_flags_again(self) -> None:
        await self.safety.raise_again(self.flags.queue, now_ms=wall_clock.now_ms())

    async def _absent(self) -> None:
        await self.survival.require_known_store()


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then drain."""
    async with (
        lifespan.stores(settings) as stores,
        lifespan.way_out(settings) as out,
    ):
        process = WebProcess(settings, stores, out.http, out.stripe)
        process.metrics.registry.register(out.refusals.count)
        await process.start()
        app = make_app(settings, stores, process.hub, process.sockets, process.metrics)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, "0.0.0.0", settings.port, reuse_address=True).start()  # noqa: S104
            log.info("web.listening", port=settings.port)
            await stop.wait()
            await process.drain()
        finally:
            await process.stop()
            await runner.cleanup()
