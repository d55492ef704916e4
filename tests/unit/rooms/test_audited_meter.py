"""The meter against the auditor, for any order of events: not a millisecond without both people."""

from dataclasses import dataclass, field

from hypothesis import event, given, settings
from hypothesis import strategies as st

from rooms import deadlines, departure, meter, session
from rooms.errors import NotLive
from rooms.ids import ConnectionId, HubId
from rooms.news import Change
from rooms.presence import total_ms
from rooms.room import OVER, Limits, Room, Terms
from tests.unit.rooms import stage
from tests.unit.rooms.auditor import Auditor, milliseconds
from tests.unit.rooms.stage import FREE, GUEST, HOST, PER_MINUTE, guest_of

# Time in the small, so that a session is a few hundred milliseconds and the auditor can hold them all.
SMALL = Limits(join_ms=400, grace_ms=40, session_ms=900, unheard_ms=10)
SOCKETS = {
    ConnectionId(f"{who[-1]}-{n}"): (who, HubId(f"hub-{n % 2}")) for who in (GUEST, HOST) for n in range(3)
}
NAMES = list(SOCKETS)


@dataclass(frozen=True)
class Step:
    """Something that happens `after_ms` (the clock may run backwards) to a socket, with what hubs know."""

    act: str
    after_ms: int
    socket: ConnectionId
    ages_ms: dict[ConnectionId, int]
    funds_ms: int


@dataclass
class Play:
    """The rules and the auditor side by side, told the same things."""

    room: Room
    now_ms: int = stage.ACCEPTED_MS
    auditor: Auditor = field(default_factory=lambda: Auditor(stage.ACCEPTED_MS))
    holds: dict[int, int] = field(default_factory=dict)

    def take(self, step: Step) -> None:
        """Play one step: the method of that name tells the auditor and asks the rules."""
        due_ms = deadlines.next_due_ms(self.room)
        self.now_ms += step.after_ms
        if due_ms is not None and step.act == "tick_early":
            self.now_ms = due_ms - 1
        if due_ms is not None and step.act == "tick_late":
            self.now_ms = due_ms + abs(step.after_ms) // 2
        getattr(self, step.act)(step)

    def proofs(self, step: Step) -> dict[ConnectionId, int]:
        """When sockets were last heard, some of it from before they came in."""
        return {name: self.now_ms - age_ms for name, age_ms in step.ages_ms.items()}

    def join(self, step: Step) -> None:
        who, hub = SOCKETS[step.socket]
        try:
            change = session.join(self.room, who, connection=step.socket, hub=hub, now_ms=self.now_ms)
        except NotLive:
            assert self.room.state in OVER
            return
        self.auditor.joined(who, step.socket, self.now_ms)
        self.room = change.room

    def drop(self, step: Step) -> None:
        """A half-open socket is noticed late: its proof may be older than a newer sibling, or than itself."""
        self.lose({step.socket: self.now_ms - step.ages_ms.get(step.socket, 4)})

    def hub_lost(self, step: Step) -> None:
        hub = SOCKETS[step.socket][1]
        beat_ms = self.now_ms - 12
        self.lose({n: min(beat_ms, heard) for n, heard in self.proofs(step).items() if SOCKETS[n][1] == hub})

    def lose(self, proofs: dict[ConnectionId, int]) -> None:
        self.auditor.dropped(proofs, self.now_ms)
        self.room = departure.drop(self.room, proofs, reason="lost", now_ms=self.now_ms).room

    def leave(self, step: Step) -> None:
        self.auditor.dropped({step.socket: self.auditor.at(self.now_ms)}, self.now_ms)
        self.room = session.leave(self.room, step.socket, now_ms=self.now_ms).room

    def fund(self, step: Step) -> None:
        hold = guest_of(self.room).hold
        ordinal = 1 + step.funds_ms % 4
        if hold is None or (self.room.state in OVER and ordinal not in self.holds):
            return
        if ordinal not in self.holds:
            self.holds[ordinal] = step.funds_ms
            self.auditor.touched(self.now_ms)
        self.room = session.fund(
            self.room, GUEST, ordinal=ordinal, funded_ms=step.funds_ms, now_ms=self.now_ms
        ).room

    def tick_early(self, step: Step) -> None:
        if self.now_ms >= self.auditor.clock_ms:
            assert deadlines.tick(self.room, proofs=self.proofs(step), now_ms=self.now_ms) == Change(
                self.room
            )

    def tick_late(self, step: Step) -> None:
        heard = self.proofs(step)
        for _ in range(2):
            self.over(deadlines.tick(self.room, proofs=heard, now_ms=self.now_ms), heard)

    def end(self, step: Step) -> None:
        heard = self.proofs(step)
        who = SOCKETS[step.socket][0]
        self.over(session.end(self.room, who, proofs=heard, now_ms=self.now_ms), heard)

    def over(self, change: Change, heard: dict[ConnectionId, int]) -> None:
        if change.room.state in OVER and self.room.state not in OVER:
            event(f"over: {change.room.end_reason}")
            self.auditor.closed(heard, SMALL.unheard_ms, self.now_ms)
        self.room = change.room

    def agrees(self) -> None:
        """The rules bill what the auditor bills: at room time, a little before and a little after it."""
        funded_ms = sum(self.holds.values()) if guest_of(self.room).hold is not None else None
        assert self.room.clock_ms == self.auditor.clock_ms
        assert (self.room.live_at_ms, self.room.ended_at_ms) == (
            self.auditor.live_at_ms,
            self.auditor.ended_at_ms,
        )
        for now_ms in (self.room.clock_ms - 7, self.room.clock_ms, self.room.clock_ms + 23):
            owed = self.auditor.billed(GUEST, HOST, funded_ms, now_ms)
            billed = meter.intervals(self.room, guest_of(self.room), now_ms)
            assert milliseconds(billed) == owed
            assert total_ms(billed) == len(owed) == meter.billed_ms(self.room, guest_of(self.room), now_ms)


# Joins come more often than ends, or most sessions would be over before they began.
OFTEN = ("join", "join", "join", "join", "drop", "drop", "fund")
RARELY = ("hub_lost", "hub_lost", "leave", "leave", "join", "join", "tick_early", "tick_late", "end")


def steps_of(*acts: str) -> st.SearchStrategy[Step]:
    return st.builds(
        Step,
        act=st.sampled_from(acts),
        after_ms=st.integers(-8, 60),
        socket=st.sampled_from(NAMES),
        ages_ms=st.dictionaries(st.sampled_from(NAMES), st.integers(-3, 40)),
        funds_ms=st.integers(1, 90),
    )


JOINS = steps_of("join")
STEPS = steps_of(*OFTEN, *OFTEN, *RARELY)


@settings(max_examples=250, deadline=None)
@given(
    terms=st.sampled_from([PER_MINUTE, PER_MINUTE, FREE]),
    first_ms=st.integers(1, 400),
    opening=st.lists(JOINS, max_size=3),
    steps=st.lists(STEPS, min_size=8, max_size=30),
)
def test_the_meter_bills_what_the_auditor_bills(
    terms: Terms, first_ms: int, opening: list[Step], steps: list[Step]
) -> None:
    play = Play(stage.waiting(terms, SMALL, first_ms), holds={1: first_ms})
    for step in (*opening, *steps):
        play.take(step)
        play.agrees()
    event(f"{len(meter.intervals(play.room, guest_of(play.room), play.room.clock_ms))} billed spans")
