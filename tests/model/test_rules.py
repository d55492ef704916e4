"""All rules at random, in any order and at any time, against what must always hold.

The legal graph and every invariant are written here by hand; the machine plays the store as well: it raises
the version with each change, and asks each question twice.
"""

from collections.abc import Callable
from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from rooms import deadlines, departure, extension, meter, session
from rooms.errors import RoomError
from rooms.ids import ConnectionId, HubId, UserId
from rooms.news import Change, MeterChanged, MeterWarned, PresenceChanged, StateChanged
from rooms.room import Further, Hold, Room, State
from tests.unit.rooms import stage
from tests.unit.rooms.stage import FREE, GUEST, HOST, MINUTE_MS, PER_MINUTE, STRANGER, guest_of

GRAPH = {
    "requested": {"waiting", "declined", "expired", "cancelled"},
    "waiting": {"live", "cancelled"},
    "live": {"paused", "ended"},
    "paused": {"live", "ended"},
    "ended": {"settled"},
    "declined": set(),
    "expired": set(),
    "cancelled": set(),
    "settled": set(),
}
OVER = {"declined", "expired", "cancelled", "ended", "settled"}

PEOPLE = st.sampled_from([GUEST, HOST, GUEST, HOST, STRANGER])
SOCKETS = {
    ConnectionId(f"{who[-1]}-{n}"): (who, HubId(f"hub-{n}")) for who in (GUEST, HOST) for n in range(2)
}
SOCKET = st.sampled_from(list(SOCKETS))
# Seconds, minutes, the very same moment, and a clock that runs backwards.
AFTER_MS = st.one_of(st.just(0), st.integers(-5_000, 20_000), st.integers(0, 4 * MINUTE_MS))
AGES_MS = st.dictionaries(SOCKET, st.integers(-1_000, 60_000))
Rule = Callable[[Room], Change]


class Rules(RuleBasedStateMachine):
    """One session, from its request to wherever chance leads it."""

    @initialize(free=st.booleans(), started=st.integers(0, 5))
    def ask(self, free: bool, started: int) -> None:
        terms = FREE if free else PER_MINUTE
        stages = (
            stage.asked(terms).room,
            stage.ringing(terms),
            stage.waiting(terms),
            stage.live(terms),
            stage.live(terms, funded_ms=50_000),
            stage.paused(),
        )
        self.room: Room = stages[started]
        self.now_ms = self.room.clock_ms
        self.given_marks: set[int] = set()
        hold = guest_of(self.room).hold
        self.holds = {1: hold.funded_ms} if hold is not None and hold.ordinals else {}

    # What people, hubs, banks and time do.

    @rule(after_ms=AFTER_MS, who=PEOPLE)
    def accept(self, after_ms: int, who: UserId) -> None:
        self.apply(after_ms, lambda room: session.accept(room, who, now_ms=self.now_ms))

    @rule(after_ms=AFTER_MS, who=PEOPLE)
    def decline(self, after_ms: int, who: UserId) -> None:
        self.apply(after_ms, lambda room: session.decline(room, who, now_ms=self.now_ms))

    @rule(after_ms=AFTER_MS, who=PEOPLE)
    def cancel(self, after_ms: int, who: UserId) -> None:
        self.apply(after_ms, lambda room: session.cancel(room, who, now_ms=self.now_ms))

    @rule(after_ms=AFTER_MS, who=PEOPLE, ages_ms=AGES_MS)
    def end(self, after_ms: int, who: UserId, ages_ms: dict[ConnectionId, int]) -> None:
        self.apply(
            after_ms, lambda room: session.end(room, who, proofs=self.heard(ages_ms), now_ms=self.now_ms)
        )

    @rule(after_ms=AFTER_MS, because=st.sampled_from(get_args(session.Because)), ages_ms=AGES_MS)
    def stop(self, after_ms: int, because: session.Because, ages_ms: dict[ConnectionId, int]) -> None:
        proofs = {socket: self.now_ms + after_ms - age_ms for socket, age_ms in ages_ms.items()}
        self.apply(after_ms, lambda room: session.stop(room, because, proofs=proofs, now_ms=self.now_ms))

    @rule(after_ms=AFTER_MS, socket=SOCKET)
    def join(self, after_ms: int, socket: ConnectionId) -> None:
        who, hub = SOCKETS[socket]
        self.apply(
            after_ms, lambda room: session.join(room, who, connection=socket, hub=hub, now_ms=self.now_ms)
        )

    @rule(after_ms=AFTER_MS, socket=SOCKET)
    def leave(self, after_ms: int, socket: ConnectionId) -> None:
        self.apply(after_ms, lambda room: session.leave(room, socket, now_ms=self.now_ms))

    @rule(after_ms=AFTER_MS, ages_ms=AGES_MS)
    def drop(self, after_ms: int, ages_ms: dict[ConnectionId, int]) -> None:
        self.apply(
            after_ms,
            lambda room: departure.drop(room, self.heard(ages_ms), reason="lost", now_ms=self.now_ms),
        )

    @rule(
        after_ms=AFTER_MS,
        who=PEOPLE,
        ordinal=st.integers(1, 4),
        funded_ms=st.integers(1, 7 * MINUTE_MS),
        more=st.booleans(),
    )
    def fund(self, after_ms: int, who: UserId, ordinal: int, funded_ms: int, more: bool) -> None:
        before = self.room

        def decide(room: Room) -> Change:
            return session.fund(
                room, who, ordinal=ordinal, funded_ms=funded_ms, more=more, now_ms=self.now_ms
            )

        self.apply(after_ms, decide)
        if self.room != before:
            # A mark that the rest is above again may be given once more; one that it is still under may not.
            guest, now_ms = guest_of(self.room), self.room.clock_ms
            left_ms = 0 if guest.hold is None else guest.hold.funded_ms
            left_ms -= meter.billed_ms(self.room, guest, now_ms)
            self.given_marks = {mark for mark in self.given_marks if left_ms <= mark * MINUTE_MS}
            assert ordinal not in self.holds, "a hold counts once"
            self.holds[ordinal] = funded_ms

    @rule(after_ms=AFTER_MS, who=PEOPLE)
    def confirm(self, after_ms: int, who: UserId) -> None:
        url = "https://bank.example"
        self.apply(after_ms, lambda room: session.await_confirmation(room, who, url=url, now_ms=self.now_ms))

    @rule(after_ms=AFTER_MS, who=PEOPLE)
    def decline_hold(self, after_ms: int, who: UserId) -> None:
        self.apply(after_ms, lambda room: session.decline_hold(room, who, now_ms=self.now_ms))

    @rule(after_ms=AFTER_MS, who=PEOPLE, minutes=st.integers(1, 3), name=st.sampled_from([None, "a", "b"]))
    def extend(self, after_ms: int, who: UserId, minutes: int, name: str | None) -> None:
        cap_minor = self.room.terms.cap_minor + 300 * minutes
        self.apply(
            after_ms,
            lambda room: extension.ask(
                room, who, minutes=minutes, cap_minor=cap_minor, request_id=name, now_ms=self.now_ms
            ),
        )

    @rule(after_ms=AFTER_MS, who=PEOPLE, ordinal=st.integers(1, 9))
    def refuse(self, after_ms: int, who: UserId, ordinal: int) -> None:
        self.apply(after_ms, lambda room: extension.refuse(room, who, ordinal=ordinal, now_ms=self.now_ms))

    @rule(after_ms=AFTER_MS)
    def settle(self, after_ms: int) -> None:
        self.apply(after_ms, lambda room: session.settle(room, now_ms=self.now_ms))

    @rule(after_ms=AFTER_MS, ages_ms=AGES_MS)
    def tick(self, after_ms: int, ages_ms: dict[ConnectionId, int]) -> None:
        self.apply(after_ms, lambda room: self.ticked(room, ages_ms))

    @precondition(lambda self: deadlines.next_due_ms(self.room) is not None)
    @rule(late_ms=st.sampled_from([-1, 0, 0, 1, 45_000]), ages_ms=AGES_MS)
    def tick_on_time(self, late_ms: int, ages_ms: dict[ConnectionId, int]) -> None:
        due_ms = deadlines.next_due_ms(self.room)
        assert due_ms is not None
        self.apply(due_ms + late_ms - self.now_ms, lambda room: self.ticked(room, ages_ms))

    def ticked(self, room: Room, ages_ms: dict[ConnectionId, int]) -> Change:
        return deadlines.tick(room, proofs=self.heard(ages_ms), now_ms=self.now_ms)

    def heard(self, ages_ms: dict[ConnectionId, int]) -> dict[ConnectionId, int]:
        return {socket: self.now_ms - age_ms for socket, age_ms in ages_ms.items()}

    # What must hold for every step.

    def apply(self, after_ms: int, decide: Rule) -> None:
        self.now_ms += after_ms
        before = self.room
        try:
            change = decide(before)
        except RoomError as refusal:
            self.refused_alike(decide, refusal)
            return
        after = change.room
        self.warned_once(change)
        if after == before:
            assert change.news == ()
            return
        assert after.state is before.state or after.state in GRAPH[before.state]
        assert after.clock_ms == max(before.clock_ms, self.now_ms)
        assert after.version == before.version
        cap_minor = after.terms.cap_minor
        assert cap_minor >= before.terms.cap_minor, "a guest's word is not taken back"
        assert (after.id, after.limits) == (before.id, before.limits)
        assert after.terms == replace(before.terms, cap_minor=cap_minor)
        if before.state in OVER:
            assert after == replace(before, state=State.SETTLED, clock_ms=after.clock_ms)
        told(before, change)
        assert decide(after) == Change(after), "the second time is harmless"
        self.room = replace(after, version=before.version + 1)

    def refused_alike(self, decide: Rule, refusal: RoomError) -> None:
        assert refusal.code in {"conflict", "not_found", "not_live"}
        with pytest.raises(type(refusal)) as again:
            decide(self.room)
        assert str(again.value) == str(refusal)

    def warned_once(self, change: Change) -> None:
        for item in change.news:
            if isinstance(item, MeterWarned):
                new = set(guest_of(change.room).warned_minutes) - set(guest_of(self.room).warned_minutes)
                assert new
                assert not new & self.given_marks
                assert all(0 < item.remaining_ms <= minute * MINUTE_MS for minute in new)
                self.given_marks |= new

    # What must hold for every room.

    @invariant()
    def its_times_fit_its_state(self) -> None:
        room = self.room
        assert (room.ended_at_ms is not None) == (room.end_reason is not None) == (room.state in OVER)
        assert (room.paused_at_ms is not None) == (room.state == "paused")
        assert room.live_at_ms is None or room.accepted_at_ms is not None
        assert (room.live_at_ms is not None) == (room.state in {"live", "paused", "ended", "settled"})
        marks = (room.requested_at_ms, room.offered_at_ms, room.accepted_at_ms, room.live_at_ms)
        times = [ms for ms in (*marks, room.ended_at_ms or room.clock_ms) if ms is not None]
        assert times == sorted(times)

    @invariant()
    def only_what_is_paid_for_rings(self) -> None:
        hold = guest_of(self.room).hold
        assert hold is None or (hold.status == "placed") == bool(self.holds)
        assert hold is None or hold.funded_ms == sum(self.holds.values())
        assert (self.room.offered_at_ms is not None) == (hold is None or hold.status == "placed")

    @invariant()
    def it_asks_for_one_new_hold_at_a_time(self) -> None:
        hold = guest_of(self.room).hold
        if hold is None:
            return
        assert hold.further.tried >= max(hold.ordinals, default=1)
        if hold.further.asked is not None:
            assert hold.status == "placed"
            assert hold.further.asked not in hold.ordinals
            assert 1 < hold.further.asked <= hold.further.tried

    @invariant()
    def presence_fits_its_state(self) -> None:
        room = self.room
        both = room.practitioner.present and guest_of(room).present
        assert both == (room.state == "live")
        sockets = [anchor.connection for anchor in stage.anchors(room)]
        assert len(sockets) == len(set(sockets))
        assert not sockets or room.state in {"waiting", "live", "paused"}
        for person in room.people:
            spans = person.spans
            assert all(span.from_ms < span.to_ms <= room.clock_ms for span in spans)
            assert all(left.to_ms < right.from_ms for left, right in pairwise(spans))
            assert all(anchor.since_ms <= room.clock_ms for anchor in person.anchors)

    @invariant()
    def it_bills_no_more_than_it_may(self) -> None:
        room, guest = self.room, guest_of(self.room)
        # Far enough ahead to be past whatever was paid for, however late the next tick may be.
        now_ms = room.clock_ms + 40 * MINUTE_MS
        billed_ms = meter.billed_ms(room, guest, now_ms)
        assert guest.hold is None or billed_ms <= guest.hold.funded_ms
        if room.live_at_ms is None:
            assert billed_ms == 0
        else:
            assert billed_ms <= (room.ended_at_ms or now_ms) - room.live_at_ms
        if room.state != "live":
            assert billed_ms == meter.billed_ms(room, guest, room.clock_ms)

    @invariant()
    def it_is_looked_at_again_and_never_for_nothing(self) -> None:
        due_ms = deadlines.next_due_ms(self.room)
        assert (due_ms is None) == (self.room.state in OVER)
        if due_ms is None:
            return
        now_ms = max(due_ms, self.room.clock_ms)
        room = deadlines.tick(self.room, now_ms=now_ms).room
        assert room != self.room
        later_ms = deadlines.next_due_ms(room)
        assert later_ms is None or later_ms > now_ms


def told(before: Room, change: Change) -> None:
    """Whoever listens to the news alone knows the state, the presence and whether a meter runs."""
    after, news = change.room, change.news
    if after.state is not before.state:
        assert news.count(StateChanged()) == 1
    if meter.running(before, guest_of(before)) != meter.running(after, guest_of(after)):
        assert MeterChanged(1) in news
    shown_ms, proven_ms = (meter.billed_ms(room, guest_of(room), after.clock_ms) for room in (before, after))
    if shown_ms != proven_ms:
        assert MeterChanged(1) in news
    if known(before) != known(after):
        assert StateChanged() in news or MeterChanged(1) in news
    if before.terms != after.terms:
        assert StateChanged() in news
    if after.state in OVER:
        return
    seen = {item.user_id: item.present for item in news if isinstance(item, PresenceChanged)}
    pairs = zip(before.people, after.people, strict=True)
    assert seen == {new.user_id: new.present for old, new in pairs if old.present != new.present}


def known(room: Room) -> Hold | None:
    """What people know of the guest's hold. What is asked for next is between the hub and the bank."""
    hold = guest_of(room).hold
    return None if hold is None else replace(hold, further=Further())


TestRules = Rules.TestCase
TestRules.settings = settings(
    max_examples=120, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
