"""Session and meter on the real store, against an auditor who keeps a log of their own.

Several hubs decide about one room through `Rooms` and its scripts, at random and in any order. Time begins as
the store's own and is moved on by an offset that every decision gets, so that nothing waits and a run can be
repeated to the millisecond.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import pytest
import uuid_utils
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from hub.tell import tell
from rooms import chat, deadlines, departure, meter, moderation, session
from rooms.errors import Fenced, NotLive, RoomError
from rooms.ids import ConnectionId, HubId, SessionId, UserId
from rooms.moderation import Sanction
from rooms.news import Change
from rooms.room import OVER, Room, State, Terms
from store.redis import keys
from store.redis.connect import connect
from store.redis.hubs import Hubs
from store.redis.rooms import Rooms
from store.redis.turns import Decide, Loaded
from tests.model.session_auditor import GUEST, HOST, LIMITS, Auditor

HUBS = [HubId("hub-0"), HubId("hub-1"), HubId("hub-2")]
TERMS = Terms("per_minute", "usd", 300, 0, 2_000, 50, 10**9)
T = TypeVar("T")
AGES = st.lists(st.sampled_from([0, 9_000, 11_000, 25_000, 45_000]), min_size=1, max_size=4)
"""How long ago sockets were last heard: within the time that an orderly end forgives, and past it."""


class SessionMeter(RuleBasedStateMachine):
    """One session, three hubs, and whatever may happen to them."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.redis: Redis = connect(self.url)
        self.incarnation = dict.fromkeys(HUBS, 0)
        self.fenced: set[HubId] = set()
        self.start_ms = 0
        self.offset_ms = 0
        self.decided_ms = 0
        self.auditor = Auditor()
        self.muted: dict[UserId, int | None] = {}
        self.sockets = 0
        self.id = SessionId(str(uuid_utils.uuid7()))
        self.watcher = self.rooms(HubId("watcher"))

    def teardown(self) -> None:
        """What is always so at the end, and nothing left open."""
        try:
            self.run(self.redis.flushall())
            self.run(self.redis.aclose())
        finally:
            self.loop.close()

    def run(self, work: Awaitable[T]) -> T:
        return self.loop.run_until_complete(work)

    def rooms(self, hub: HubId) -> Rooms:
        return Rooms(self.redis, hub=lambda: hub, tell=tell)

    def named(self, hub: HubId) -> HubId:
        """The hub's present incarnation."""
        return HubId(f"{hub}.{self.incarnation[hub]}")

    def later(self, decide: Decide) -> Decide:
        """The same decision at the moved time, which is noted for the auditor."""

        def decided(room: Room, *, now_ms: int) -> Change:
            assert now_ms >= self.start_ms
            self.decided_ms = max(self.now_ms, room.clock_ms)
            return decide(room, now_ms=self.decided_ms)

        return decided

    def change(self, hub: HubId, decide: Callable[..., Change]) -> Loaded:
        return self.run(self.rooms(hub).change(self.id, self.later(decide)))

    def room(self) -> Room:
        return self.run(self.watcher.require(self.id)).room

    @property
    def now_ms(self) -> int:
        """The time of the next decision."""
        return self.start_ms + self.offset_ms

    @property
    def is_over(self) -> bool:
        return self.auditor.end_ms is not None

    @initialize(
        funded_ms=st.integers(20_000, 300_000),
        early=st.sampled_from([2, 2, 2, 1, 0]),
        lasts_ms=st.integers(1, 60_000),
    )
    def begin(self, funded_ms: int, early: int, lasts_ms: int) -> None:
        """Requested, funded and accepted, over different hubs; mostly both enter at once."""
        self.start_ms = self.run(self.watcher.now_ms())
        asked = session.request(
            self.id,
            practitioner=(HOST, "Host"),
            guest=(GUEST, "Guest"),
            terms=TERMS,
            limits=LIMITS,
            now_ms=self.now_ms,
        )
        self.run(self.rooms(self.named(HUBS[0])).create(asked))
        fund = partial(session.fund, guest_id=GUEST, ordinal=1, funded_ms=funded_ms)
        self.change(self.named(HUBS[1]), fund)
        self.change(self.named(HUBS[2]), partial(session.accept, who=HOST))
        self.auditor.funded_ms = funded_ms
        for who, hub in ((HOST, HUBS[0]), (GUEST, HUBS[1]))[:early]:
            self.joins(who, hub)
        self.offset_ms += lasts_ms

    @rule(by_ms=st.integers(1, 90_000))
    def time_passes(self, by_ms: int) -> None:
        """Less than the grace at once, more in several steps."""
        self.offset_ms += by_ms

    @rule(by_ms=st.integers(10_000, 90_000))
    def more_time_passes(self, by_ms: int) -> None:
        """Time is what most of a session consists of."""
        self.offset_ms += by_ms

    @rule(who=st.sampled_from([GUEST, HOST]), hub=st.sampled_from(HUBS))
    def joins(self, who: UserId, hub: HubId) -> None:
        """A socket of a person enters over a hub; a fenced hub is told so and changes nothing."""
        self.sockets += 1
        name, here = ConnectionId(f"s{self.sockets}"), self.named(hub)
        try:
            self.change(here, partial(session.join, who=who, connection=name, hub=here))
        except Fenced:
            assert here in self.fenced
        except NotLive:
            assert self.is_over
        else:
            assert here not in self.fenced
            self.auditor.came(name, who, here, self.decided_ms)

    @precondition(lambda self: self.auditor.there())
    @rule(data=st.data(), age_ms=st.integers(0, 30_000))
    def drops(self, data: st.DataObject, age_ms: int) -> None:
        """A line is lost and noticed late."""
        name = data.draw(st.sampled_from(sorted(self.auditor.there())))
        hub = self.auditor.stays[name].hub
        heard_ms = self.now_ms - age_ms
        gone = {name: heard_ms}
        try:
            self.change(hub, partial(departure.drop, proofs=gone, reason="line_dropped"))
        except Fenced:
            assert hub in self.fenced
        else:
            self.auditor.went(name, heard_ms, self.decided_ms)

    @precondition(lambda self: self.auditor.there())
    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        """Somebody leaves on purpose."""
        name = data.draw(st.sampled_from(sorted(self.auditor.there())))
        hub = self.auditor.stays[name].hub
        try:
            self.change(hub, partial(session.leave, connection=name))
        except Fenced:
            assert hub in self.fenced
        else:
            self.auditor.went(name, self.decided_ms, self.decided_ms)

    @rule(hub=st.sampled_from(HUBS), age_ms=st.integers(0, 20_000), sure=st.integers(0, 2))
    def hub_is_swept(self, hub: HubId, age_ms: int, sure: int) -> None:
        """A hub is taken for dead: fenced first, then its sockets are closed at their proofs, by another."""
        if sure:
            return
        lost = self.named(hub)
        self.run(Hubs(self.redis).fence(lost))
        self.fenced.add(lost)
        heard_ms = self.now_ms - age_ms
        theirs = {name: heard_ms for name, stay in self.auditor.there().items() if stay.hub == lost}
        self.change(HubId("sweeper"), partial(departure.drop, proofs=theirs, reason="hub_lost"))
        for name in theirs:
            self.auditor.went(name, heard_ms, self.decided_ms)

    @rule(hub=st.sampled_from(HUBS))
    def hub_begins_anew(self, hub: HubId) -> None:
        """A fenced hub gets a new name and may write again."""
        if self.named(hub) in self.fenced:
            self.incarnation[hub] += 1

    @rule(hub=st.sampled_from(HUBS), ordinal=st.integers(2, 4), more_ms=st.integers(1_000, 90_000))
    def is_funded(self, hub: HubId, ordinal: int, more_ms: int) -> None:
        """A further hold, perhaps told twice."""
        hold = self.room().guests[0].hold
        known = hold is not None and ordinal in hold.ordinals
        fund = partial(session.fund, guest_id=GUEST, ordinal=ordinal, funded_ms=more_ms)
        try:
            self.change(self.named(hub), fund)
        except Fenced:
            assert self.named(hub) in self.fenced
        except NotLive:
            assert self.is_over
        else:
            self.auditor.funded_ms += 0 if known else more_ms

    @rule(
        hubs=st.lists(st.sampled_from(HUBS), min_size=1, max_size=3),
        ages=AGES,
    )
    def deadlines_are_kept(self, hubs: list[HubId], ages: list[int]) -> None:
        """Hubs come with the tick at the same moment."""
        heard, was_open = self.heard(ages), not self.is_over
        self.together(hubs, partial(deadlines.tick, proofs=heard), heard)
        if was_open and not {self.named(hub) for hub in hubs} <= self.fenced:
            self.muted = {
                who: until_ms
                for who, until_ms in self.muted.items()
                if until_ms is None or until_ms > self.decided_ms
            }

    @precondition(lambda self: self.auditor.live_ms is not None)
    @rule(
        hubs=st.lists(st.sampled_from(HUBS), min_size=1, max_size=3),
        who=st.sampled_from([GUEST, HOST]),
        ages=AGES,
        sure=st.integers(0, 1),
    )
    def is_ended(self, hubs: list[HubId], who: UserId, ages: list[int], sure: int) -> None:
        """Somebody ends it, over several hubs at once. Not too often, or sessions never get old."""
        if sure == 0:
            heard = self.heard(ages)
            self.together(hubs, partial(session.end, who=who, proofs=heard), heard)

    @precondition(lambda self: self.auditor.live_ms is not None)
    @rule(
        hubs=st.lists(st.sampled_from(HUBS), min_size=1, max_size=3),
        at_fault=st.sampled_from([None, GUEST, HOST]),
        ages=AGES,
        sure=st.integers(0, 3),
    )
    def a_moderator_ends_it(
        self, hubs: list[HubId], at_fault: UserId | None, ages: list[int], sure: int
    ) -> None:
        """Over several hubs at once, as when one of them dies and another finishes it."""
        if sure == 0:
            heard = self.heard(ages)
            decided = Sanction("end", at_fault, "none" if at_fault is None else "conduct")
            ending = partial(moderation.carry_out, decided=decided, until_ms=None, proofs=heard)
            self.together(hubs, ending, heard)

    @rule(
        hub=st.sampled_from(HUBS),
        who=st.sampled_from([GUEST, HOST]),
        for_ms=st.one_of(st.none(), st.integers(1, 90_000)),
    )
    def is_muted(self, hub: HubId, who: UserId, for_ms: int | None) -> None:
        """A moderator mutes somebody, for a while or for good."""

        def decide(room: Room, *, now_ms: int) -> Change:
            until_ms = None if for_ms is None else now_ms + for_ms
            return moderation.mute(room, who, by="moderator", until_ms=until_ms, now_ms=now_ms)

        if self.steers(hub, decide):
            self.muted[who] = None if for_ms is None else self.decided_ms + for_ms

    @rule(hub=st.sampled_from(HUBS), who=st.sampled_from([GUEST, HOST]))
    def may_speak_again(self, hub: HubId, who: UserId) -> None:
        """And takes it back."""
        if self.steers(hub, partial(moderation.unmute, user_id=who, by="moderator")):
            self.muted.pop(who, None)

    def steers(self, hub: HubId, decide: Callable[..., Change]) -> bool:
        """A decision that only an open room takes; whether it was taken."""
        try:
            self.change(self.named(hub), decide)
        except Fenced:
            assert self.named(hub) in self.fenced
        except NotLive:
            assert self.is_over
        else:
            return True
        return False

    def heard(self, ages: list[int]) -> dict[ConnectionId, int]:
        """What is known of some sockets' last packets."""
        return {
            name: max(stay.since_ms, self.now_ms - age)
            for (name, stay), age in zip(sorted(self.auditor.there().items()), ages, strict=False)
        }

    def together(
        self, hubs: list[HubId], decide: Callable[..., Change], heard: dict[ConnectionId, int]
    ) -> None:
        """The same decision by several hubs at once: at most one has an effect."""
        was = self.room()

        async def all_at_once() -> list[Loaded | BaseException]:
            tries = [self.rooms(self.named(hub)).change(self.id, self.later(decide)) for hub in hubs]
            return await asyncio.gather(*tries, return_exceptions=True)

        for hub, answer in zip(hubs, self.run(all_at_once()), strict=True):
            if isinstance(answer, BaseException):
                assert isinstance(answer, RoomError)
                assert isinstance(answer, Fenced)
                assert self.named(hub) in self.fenced
        now = self.room()
        if now.state in OVER and was.state not in OVER:
            assert now.ended_at_ms is not None
            self.auditor.over(heard, now.ended_at_ms)

    @invariant()
    def the_bill_is_the_auditors(self) -> None:
        """To the millisecond, now and a while later."""
        if not self.sockets:
            return
        room = self.room()
        assert room.live_at_ms == self.auditor.live_ms
        assert room.ended_at_ms == self.auditor.end_ms
        for now_ms in (room.clock_ms, room.clock_ms + 45_000):
            assert meter.billed_ms(room, room.guests[0], now_ms) == self.auditor.billed_ms(now_ms)

    @invariant()
    def nobody_else_is_muted(self) -> None:
        """And whoever is, until their time is over and somebody has looked."""
        if not self.start_ms:
            return
        room = self.room()
        assert {person.user_id for person in room.people if person.muted} == set(self.muted)
        for who, voice in chat.voices(room).items():
            assert (voice == "muted") == (who in self.muted)

    @invariant()
    def what_was_told_has_no_gap(self) -> None:
        """And the room's version counts every change."""
        loaded = self.run(self.watcher.load(self.id))
        if loaded is None:
            return
        logged = self.run(self.watcher.log_since(self.id, 0))
        assert [entry.rev for entry in logged] == list(range(1, loaded.rev + 1))

    @invariant()
    def only_the_end_is_queued_and_only_once(self) -> None:
        """And a room that is over has no deadline, any other exactly one."""
        bucket = keys.bucket(self.id)
        queued = self.run(self.redis.xlen(keys.settlements(bucket)))
        assert queued == (1 if self.is_over else 0)
        loaded = self.run(self.watcher.load(self.id))
        if loaded is not None:
            due_ms = self.run(self.redis.zscore(keys.due(bucket), self.id))
            assert due_ms == deadlines.next_due_ms(loaded.room)
            assert (loaded.room.state is State.ENDED) == self.is_over


@pytest.mark.parametrize(
    ("examples", "steps"),
    [(60, 30), pytest.param(600, 60, marks=pytest.mark.campaign)],
)
def test_the_meter_on_the_real_store_is_the_auditors(valkey: str, examples: int, steps: int) -> None:
    SessionMeter.url = valkey
    run_state_machine_as_test(
        SessionMeter,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
