"""Bookings, cancellations, moves, sockets and a clock in any order: the states are closed, nothing is charged
that was not agreed, and nobody has two bookings at one time.
"""

from itertools import pairwise
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from billing.settlement import settle
from rooms import booked, deadlines, session
from rooms.bookings import slots, times
from rooms.bookings.hours import Availability, Weekly
from rooms.bookings.slots import Taken
from rooms.bookings.times import Times
from rooms.departure import Proofs
from rooms.errors import RoomError
from rooms.ids import ConnectionId, HubId, SessionId, UserId
from rooms.news import Change
from rooms.room import OVER, Limits, Room, State, Terms
from tests.unit.billing.terms import placed

MINUTE_MS: Final = 60_000
TIMES: Final = Times()
HOST, GUEST, HUB = UserId("host"), UserId("guest"), HubId("hub")
HOURS: Final = Availability(
    zone="Europe/Paris",
    weekly=[Weekly("08:00", "20:00", weekday) for weekday in range(7)],
    exceptions=[],
    notice_s=600,
    horizon_days=2,
    slot_s=1_800,
    buffer_s=600,
)
NOT_BEFORE: Final = {
    State.REQUESTED: {State.REQUESTED, State.WAITING, State.CANCELLED},
    State.WAITING: {State.WAITING, State.LIVE, State.CANCELLED},
    State.LIVE: {State.LIVE, State.PAUSED, State.ENDED},
    State.PAUSED: {State.PAUSED, State.LIVE, State.ENDED},
}


class Calendar(RuleBasedStateMachine):
    """Bookings of one practitioner as the table keeps them, with their rooms as the duty makes them."""

    @initialize(start=st.integers(0, 24 * 60))
    def begin(self, start: int) -> None:
        self.now_ms = 1_790_000_000_000 + start * MINUTE_MS
        self.times: dict[SessionId, Taken] = {}
        self.agreed: dict[SessionId, int] = {}
        self.free_until: dict[SessionId, int] = {}
        self.rooms: dict[SessionId, Room] = {}
        self.gone: set[SessionId] = set()

    def active(self, but: SessionId | None = None) -> list[Taken]:
        return [
            taken
            for id_, taken in self.times.items()
            if id_ not in self.gone
            and id_ != but
            and (id_ not in self.rooms or self.rooms[id_].state not in OVER)
        ]

    def offered(self, minutes: int, but: SessionId | None = None) -> list[int]:
        return slots.free(
            HOURS,
            self.active(but),
            from_ms=self.now_ms,
            to_ms=self.now_ms + 2 * slots.DAY_MS,
            duration_ms=minutes * MINUTE_MS,
            now_ms=self.now_ms,
        )

    @precondition(lambda self: len(self.times) < 6)
    @rule(nth=st.integers(0, 60), minutes=st.sampled_from([5, 30, 60, 90]), fee=st.sampled_from([0, 3_000]))
    def book(self, nth: int, minutes: int, fee: int) -> None:
        free = self.offered(minutes)
        if not free:
            return
        at_ms = free[nth % len(free)]
        id_ = SessionId(f"s{len(self.times)}")
        self.times[id_] = Taken(at_ms, at_ms + minutes * MINUTE_MS, HOURS.buffer_s * 1000)
        self.agreed[id_] = min(fee, 300 * minutes)
        self.free_until[id_] = times.free_until_ms(TIMES, at_ms, made_at_ms=self.now_ms)

    def without_room(self) -> list[SessionId]:
        return [id_ for id_ in self.times if id_ not in self.rooms and id_ not in self.gone]

    @rule(which=st.integers(0, 5), nth=st.integers(0, 60))
    def move(self, which: int, nth: int) -> None:
        ids = [id_ for id_ in self.without_room() if self.now_ms < self.free_until[id_]]
        if not ids:
            return
        id_ = ids[which % len(ids)]
        length_ms = self.times[id_].to_ms - self.times[id_].from_ms
        free = self.offered(length_ms // MINUTE_MS, but=id_)
        if free:
            at_ms = free[nth % len(free)]
            self.times[id_] = Taken(at_ms, at_ms + length_ms, HOURS.buffer_s * 1000)
            self.free_until[id_] = times.free_until_ms(TIMES, at_ms, made_at_ms=self.now_ms)

    @rule(which=st.integers(0, 5), who=st.sampled_from([HOST, GUEST]))
    def cancel(self, which: int, who: UserId) -> None:
        ids = [id_ for id_ in self.times if id_ not in self.gone]
        if not ids:
            return
        id_ = ids[which % len(ids)]
        if id_ not in self.rooms:
            self.gone.add(id_)
            return
        self.change(id_, lambda room, proofs: booked.cancel(room, who, proofs=proofs, now_ms=self.now_ms))

    @rule(minutes=st.sampled_from([1, 5, 10, 30, 60, 600]))
    def pass_time(self, minutes: int) -> None:
        self.now_ms += minutes * MINUTE_MS
        self.look()
        for id_ in list(self.rooms):
            self.change(id_, lambda room, proofs: deadlines.tick(room, proofs=proofs, now_ms=self.now_ms))
        self.look()

    @rule()
    def look(self) -> None:
        """What the duty does."""
        for id_ in self.without_room():
            taken = self.times[id_]
            if times.is_lost(TIMES, taken.from_ms, self.now_ms):
                self.gone.add(id_)
            elif self.now_ms >= times.room_at_ms(TIMES, taken.from_ms, free=False):
                self.rooms[id_] = self.made(id_, taken)
        for id_ in list(self.rooms):
            self.change(id_, lambda room, _: booked.open_lobby(room, now_ms=self.now_ms))

    def made(self, id_: SessionId, taken: Taken) -> Room:
        minutes = (taken.to_ms - taken.from_ms) // MINUTE_MS
        terms = Terms("per_minute", "usd", 300, 0, 2_000, 50, 300 * minutes, missed_minor=self.agreed[id_])
        return booked.request(
            id_,
            practitioner=(HOST, "Host"),
            guest=(GUEST, "Guest"),
            terms=terms,
            limits=Limits(),
            booked=times.booked(
                TIMES,
                starts_at_ms=taken.from_ms,
                ends_at_ms=taken.to_ms,
                free_until_ms=self.free_until[id_],
                now_ms=self.now_ms,
            ),
            until_ms=taken.to_ms,
            now_ms=self.now_ms,
        ).room

    @rule(which=st.integers(0, 5), said=st.sampled_from(["placed", "declined", "again"]))
    def answer(self, which: int, said: str) -> None:
        ids = list(self.rooms)
        if not ids:
            return

        def decide(room: Room, _: Proofs) -> Change:
            if said == "placed":
                return session.fund(room, GUEST, ordinal=1, funded_ms=10 * MINUTE_MS, now_ms=self.now_ms)
            if said == "declined":
                return session.decline_hold(room, GUEST, now_ms=self.now_ms)
            return booked.hold_again(room, GUEST, now_ms=self.now_ms)

        self.change(ids[which % len(ids)], decide)

    @rule(which=st.integers(0, 5), who=st.sampled_from([HOST, GUEST]), comes=st.booleans())
    def move_socket(self, which: int, who: UserId, comes: bool) -> None:
        ids = list(self.rooms)
        if not ids:
            return
        connection = ConnectionId(f"c-{who}")

        def decide(room: Room, _: Proofs) -> Change:
            if comes:
                return session.join(room, who, connection=connection, hub=HUB, now_ms=self.now_ms)
            return session.leave(room, connection, now_ms=self.now_ms)

        self.change(ids[which % len(ids)], decide)

    def change(self, id_: SessionId, decide: object) -> None:
        before = self.rooms[id_]
        heard = {anchor.connection: self.now_ms for one in before.people for anchor in one.anchors}
        try:
            after: Room = decide(before, heard).room  # type: ignore[operator]
        except RoomError:
            return
        if before.state in OVER:
            assert after == before
        else:
            assert after.state in NOT_BEFORE[before.state] or after.state is State.CANCELLED
        if after.live_at_ms is not None:
            assert after.live_at_ms >= self.times[id_].from_ms
        self.rooms[id_] = after

    @invariant()
    def nobody_has_two_at_once(self) -> None:
        spans = sorted((taken.from_ms, taken.to_ms + taken.buffer_ms) for taken in self.active())
        assert all(before[1] <= after[0] for before, after in pairwise(spans))

    @invariant()
    def a_fee_is_agreed_held_and_due(self) -> None:
        for id_, room in self.rooms.items():
            if room.state not in OVER:
                continue
            hold = room.guests[0].hold
            holds = (placed(1, 3_000),) if hold is not None and hold.status == "placed" else ()
            bill = settle(room, room.guests[0], held=holds, destination="acct_1")
            if room.live_at_ms is None and bill.total_minor:
                assert bill.kind == "missed"
                assert bill.total_minor <= self.agreed[id_]
                assert room.end_reason in ("guest_no_show", "booking_cancelled_late")
                assert (room.ended_at_ms or 0) >= self.free_until[id_]
            assert bill.total_minor <= 3_000

    @invariant()
    def what_is_open_has_a_deadline(self) -> None:
        for room in self.rooms.values():
            assert (deadlines.next_due_ms(room) is None) == (room.state in OVER)


TestCalendar = Calendar.TestCase
TestCalendar.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
