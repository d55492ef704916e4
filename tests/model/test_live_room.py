"""A live room under all that can happen to it, at random, against an auditor who keeps a log of their own.

Knocks, holds that come and do not, a host who lets in, sends back and removes, lines that break and are heard
of late, time that runs out. The rules are pure, so a year of rooms takes a second.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from billing import holds
from billing.settlement import settle
from rooms import deadlines, departure, lobby, meter, moderation, session
from rooms.errors import RoomError
from rooms.ids import ConnectionId, HubId, SessionId, UserId
from rooms.moderation import Sanction
from rooms.news import Change
from rooms.presence import Span, intersection, total_ms, union
from rooms.room import OPEN, OVER, Limits, Participant, Room, State, Terms
from store.redis.rooms import to_settle

HOST = UserId("host")
GUESTS = [UserId(f"guest-{n}") for n in range(4)]
SEATS = 2
T0 = 1_000_000
LIMITS = Limits(join_ms=900_000, grace_ms=60_000, hold_ms=30_000, session_ms=3_600_000)
TERMS = {
    "free": Terms("free", "usd", 0, 0, 2_000, 0, 0),
    "flat": Terms("flat", "usd", 0, 0, 2_000, 50, 2_500, flat_after_ms=120_000),
    "per_minute": Terms("per_minute", "usd", 300, 0, 2_000, 50, 6_000),
}
HELD_MINOR = 300
"""A hold of one minute, so that funded time runs out."""
who_of = st.sampled_from(GUESTS)
ages = st.sampled_from([0, 500, 9_000, 11_000, 25_000])


@dataclass
class Stay:
    """A socket's time in the room as the auditor saw it."""

    who: UserId
    since_ms: int
    until_ms: int | None = None


class LiveRoom(RuleBasedStateMachine):
    """One room from its opening to its last settlement."""

    @initialize(kind=st.sampled_from(sorted(TERMS)))
    def opened(self, kind: str) -> None:
        self.now_ms = T0
        self.room = lobby.open_room(
            SessionId("r"), host=(HOST, "Pia"), terms=TERMS[kind], limits=LIMITS, seats=SEATS,
            history="all", starts_at_ms=None, now_ms=T0,
        ).room  # fmt: skip
        self.stays: dict[ConnectionId, Stay] = {}
        self.settled: dict[UserId, int] = {}
        self.frozen: dict[UserId, int] = {}
        self.entered: set[UserId] = set()
        self.made = 0

    # How decisions are made: as the store makes them.

    def decide(self, decide: Callable[..., Change], **asked: Any) -> bool:
        due = Change(self.room)
        if not deadlines.needs_proofs(self.room):
            due = deadlines.tick(self.room, now_ms=self.now_ms)
        try:
            change = decide(due.room, now_ms=self.now_ms, **asked)
        except RoomError:
            return False
        self.commit(change.room)
        return True

    def commit(self, room: Room) -> None:
        before, self.room = self.room, room
        for user_id in to_settle(before, room):
            person = room.participant(user_id)
            assert person is not None
            if person.no == 0 or room.of(person).state in OVER:
                self.settled[user_id] = self.settled.get(user_id, 0) + 1
        there = {anchor.connection for person in room.people if person.present for anchor in person.anchors}
        for connection, stay in self.stays.items():
            if stay.until_ms is None and connection not in there:
                stay.until_ms = self.now_ms

    def proofs(self, age_ms: int) -> dict[ConnectionId, int]:
        return {
            anchor.connection: max(self.now_ms - age_ms, anchor.since_ms)
            for person in self.room.people
            for anchor in person.anchors
        }

    def socket(self) -> ConnectionId:
        self.made += 1
        return ConnectionId(f"c{self.made}")

    # What people do.

    @rule(who=who_of, again=st.booleans())
    def knock(self, who: UserId, again: bool) -> None:
        me = self.room.participant(who)
        name = me.knock_id if again and me is not None and me.knock_id else f"k{self.made}"
        self.decide(
            partial(lobby.knock, who=(who, "Gus"), request_id=name, connection=self.socket(), hub=HubId("h"))
        )

    @rule(who=who_of, late=st.booleans())
    def fund(self, who: UserId, late: bool) -> None:
        me = self.room.participant(who)
        if me is None or me.hold is None:
            return
        ordinal = me.hold.further.asked or me.holds_from - late
        terms = self.room.of(me).terms
        held = (len(me.hold.ordinals) + 1) * (HELD_MINOR if terms.kind == "per_minute" else terms.cap_minor)
        funded_ms = max(0, holds.funded_ms(terms, held) - me.hold.funded_ms)
        took = self.decide(
            partial(session.fund, guest_id=who, ordinal=ordinal, funded_ms=funded_ms, more=True)
        )
        assert not (took and ordinal < me.holds_from)

    @rule(who=who_of)
    def decline(self, who: UserId) -> None:
        self.decide(partial(session.decline_hold, guest_id=who))

    @rule(who=who_of, comes_in=st.booleans())
    def bring_in(self, who: UserId, comes_in: bool) -> None:
        """The usual way, which chance alone seldom takes."""
        if not self.room.practitioner.present:
            self.join(HOST)
        self.knock(who, again=False)
        self.fund(who, late=False)
        self.admit(who, HOST)
        if comes_in:
            self.join(who)

    @rule(who=who_of, by=st.sampled_from([HOST, GUESTS[0]]))
    def admit(self, who: UserId, by: UserId) -> None:
        free = lobby.seated(self.room) < SEATS
        before = self.room.participant(who)
        if self.decide(partial(lobby.admit, who=by, user_id=who)) and by == HOST:
            assert before is not None
            assert before.lobby == "admitted" or (before.ready and free)
        if by != HOST:
            assert self.room.participant(who) == before

    @rule(who=who_of)
    def deny(self, who: UserId) -> None:
        self.decide(partial(lobby.deny, who=HOST, user_id=who))

    @rule(who=who_of, age=ages)
    def send_back(self, who: UserId, age: int) -> None:
        self.decide(partial(lobby.send_back, who=HOST, user_id=who, proofs=self.proofs(age)))

    @rule(who=who_of, age=ages)
    def remove(self, who: UserId, age: int) -> None:
        self.decide(partial(moderation.host_removes, who=HOST, user_id=who, proofs=self.proofs(age)))

    @rule(who=who_of, age=ages)
    def moderated(self, who: UserId, age: int) -> None:
        decided = Sanction("remove", who, "conduct")
        if self.room.participant(who) is not None:
            self.decide(
                partial(moderation.carry_out, decided=decided, until_ms=None, proofs=self.proofs(age))
            )
            assert self.room.state in OPEN or self.room.end_reason != "guest_conduct"

    @rule(who=st.sampled_from([HOST, HOST, HOST, *GUESTS]))
    def join(self, who: UserId) -> None:
        connection = self.socket()
        if self.decide(partial(session.join, who=who, connection=connection, hub=HubId("h"))):
            self.stays[connection] = Stay(who, max(self.now_ms, self.room.clock_ms))
            self.entered.add(who)

    @rule(data=st.data(), age=ages)
    def drop(self, data: st.DataObject, age: int) -> None:
        lines = [anchor.connection for person in self.room.people for anchor in person.anchors]
        if lines:
            gone = data.draw(st.sampled_from(lines))
            heard_ms = self.now_ms - age
            self.decide(partial(departure.drop, proofs={gone: heard_ms}, reason="line_dropped"))
            if (stay := self.stays.get(gone)) is not None:
                stay.until_ms = max(stay.since_ms, min(heard_ms, self.now_ms))

    @rule(who=who_of, age=ages)
    def leave_for_good(self, who: UserId, age: int) -> None:
        self.decide(partial(session.end, who=who, proofs=self.proofs(age)))

    @precondition(lambda self: self.made > 12)
    @rule(age=ages)
    def host_ends(self, age: int) -> None:
        self.decide(partial(session.end, who=HOST, proofs=self.proofs(age)))

    @rule(by_ms=st.sampled_from([1, 900, 5_000, 20_000, 61_000, 125_000]))
    def time_passes(self, by_ms: int) -> None:
        self.now_ms += by_ms
        for _ in range(8):
            change = deadlines.tick(self.room, proofs=self.proofs(0), now_ms=self.now_ms)
            if change.room == self.room:
                break
            self.commit(change.room)
        due_ms = deadlines.next_due_ms(self.room)
        assert due_ms is None or due_ms > self.now_ms - 1

    # What is always so.

    @invariant()
    def seats_hold(self) -> None:
        assert lobby.seated(self.room) <= SEATS
        assert len({guest.user_id for guest in self.room.guests}) == len(self.room.guests)

    @invariant()
    def nobody_is_billed_for_what_was_not(self) -> None:
        mine = {who: self.seen(who) for who in (HOST, *GUESTS)}
        for guest in self.room.guests:
            billed_ms = self.billed_ms(guest)
            assert billed_ms <= total_ms(intersection(mine[HOST], mine[guest.user_id]))
            assert guest.hold is None or billed_ms <= guest.hold.funded_ms
            if guest.user_id not in self.entered:
                assert billed_ms == 0
            if guest.ended_at_ms is not None or self.room.state in OVER:
                # What is over only ever shrinks, as lines turn out to have been silent.
                last_ms = self.frozen.setdefault(guest.user_id, billed_ms)
                assert billed_ms <= last_ms

    @invariant()
    def who_is_out_is_not_there(self) -> None:
        for guest in self.room.guests:
            if guest.lobby == "refused":
                assert self.room.state in OVER or guest.end_reason is not None
                assert not guest.anchors
            if self.room.state in OVER:
                assert not guest.anchors
                assert guest.lobby != "waiting"

    @invariant()
    def each_part_goes_on_record_once(self) -> None:
        assert all(count == 1 for count in self.settled.values())
        for guest in self.room.guests:
            over = self.room.of(guest).state in OVER
            assert self.settled.get(guest.user_id, 0) == (1 if over else 0)
        assert self.settled.get(HOST, 0) == (1 if self.room.state in OVER else 0)

    @invariant()
    def a_bill_can_be_made_and_is_within_the_cap(self) -> None:
        for guest in self.room.guests:
            if self.room.of(guest).state in OVER:
                bill = settle(self.room, guest, held=())
                assert bill.billed_ms == self.billed_ms(guest)
                assert bill.subtotal_minor <= self.room.of(guest).terms.cap_minor
                if self.room.terms.kind == "flat" and bill.billed_ms < 120_000:
                    assert bill.subtotal_minor == 0

    @invariant()
    def it_goes_on_with_its_host_alone(self) -> None:
        if self.room.state is State.LIVE:
            assert self.room.practitioner.present
        assert (deadlines.next_due_ms(self.room) is None) == (self.room.state in OVER)

    def billed_ms(self, guest: Participant) -> int:
        own = self.room.of(guest)
        return meter.billed_ms(own, guest, max(self.now_ms, own.clock_ms))

    def seen(self, who: UserId) -> tuple[Span, ...]:
        now_ms = max(self.now_ms, self.room.clock_ms)
        return union(
            Span(stay.since_ms, now_ms if stay.until_ms is None else stay.until_ms)
            for stay in self.stays.values()
            if stay.who == who
        )


TestLiveRoom = LiveRoom.TestCase
TestLiveRoom.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
