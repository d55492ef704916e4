from typing import get_args

import pytest
from msgspec import msgpack
from msgspec.structs import replace

from rooms import session
from rooms.errors import IllegalTransition, NotLive
from rooms.ids import ConnectionId
from rooms.news import Change, MeterChanged, Offered, PresenceChanged, StateChanged
from rooms.room import Hold, Room, State
from tests.unit.rooms import stage
from tests.unit.rooms.stage import (
    ACCEPTED_MS,
    FREE,
    FUNDED_MS,
    GUEST,
    GUEST_SOCKET,
    HOST,
    HOST_SOCKET,
    HUB,
    LIVE_MS,
    MINUTE_MS,
    OVER_MS,
    OVER_STAGES,
    PAUSED_MS,
    STAGES,
    START_MS,
    anchors,
    asked,
    cancelled,
    ended,
    guest_of,
    live,
    paused,
    requested,
    ringing,
    waiting,
)

BANK = "https://bank.example/3ds"


def test_a_paid_request_waits_for_its_hold_unheard() -> None:
    change = asked()
    assert change.news == (StateChanged(),)
    assert change.room.state is State.REQUESTED
    assert change.room.offered_at_ms is None
    assert guest_of(change.room).hold == Hold("pending")
    assert (change.room.requested_at_ms, change.room.clock_ms) == (START_MS, START_MS)


def test_a_free_request_rings_at_once() -> None:
    change = asked(FREE)
    assert change.news == (StateChanged(), Offered())
    assert change.room.offered_at_ms == START_MS
    assert guest_of(change.room).hold is None


def test_the_first_hold_lets_it_ring() -> None:
    change = session.fund(requested(), GUEST, ordinal=1, funded_ms=FUNDED_MS, now_ms=START_MS + 700)
    assert change.news == (StateChanged(), Offered())
    assert change.room.offered_at_ms == START_MS + 700
    assert guest_of(change.room).hold == Hold("placed", (1,), FUNDED_MS)


def test_holds_add_up_and_each_counts_once() -> None:
    once = session.fund(live(), GUEST, ordinal=2, funded_ms=90_000, now_ms=LIVE_MS + 5)
    assert once.news == (MeterChanged(1),)
    twice = session.fund(once.room, GUEST, ordinal=2, funded_ms=90_000, now_ms=LIVE_MS + 9)
    assert twice == Change(once.room)
    hold = guest_of(once.room).hold
    assert hold is not None
    assert (hold.ordinals, hold.funded_ms) == ((1, 2), FUNDED_MS + 90_000)


@pytest.mark.parametrize("stage", OVER_STAGES)
def test_a_hold_that_comes_too_late_is_refused_so_that_it_is_released(stage: str) -> None:
    with pytest.raises(NotLive):
        session.fund(STAGES[stage](), GUEST, ordinal=2, funded_ms=1, now_ms=OVER_MS + 1)


def test_more_funds_while_it_rings_do_not_ring_again() -> None:
    change = session.fund(ringing(), GUEST, ordinal=2, funded_ms=MINUTE_MS, now_ms=ACCEPTED_MS)
    assert change.room.offered_at_ms == ringing().offered_at_ms
    assert Offered() not in change.news


def test_the_bank_is_asked_before_it_rings() -> None:
    change = session.await_confirmation(requested(), GUEST, url=BANK, now_ms=START_MS + 5)
    assert change.news == (StateChanged(),)
    assert guest_of(change.room).hold == Hold("action_required", url=BANK)
    assert change.room.offered_at_ms is None
    confirmed = session.fund(change.room, GUEST, ordinal=1, funded_ms=FUNDED_MS, now_ms=START_MS + 9)
    assert guest_of(confirmed.room).hold == Hold("placed", (1,), FUNDED_MS)
    assert Offered() in confirmed.news


def test_a_declined_card_cancels_the_request() -> None:
    change = session.decline_hold(requested(), GUEST, now_ms=START_MS + 5)
    assert change.news == (StateChanged(),)
    assert (change.room.state, change.room.end_reason) == (State.CANCELLED, "card_declined")
    assert guest_of(change.room).hold == Hold("declined")


def test_accept_opens_the_room() -> None:
    change = session.accept(ringing(), HOST, now_ms=ACCEPTED_MS)
    assert change.news == (StateChanged(),)
    assert (change.room.state, change.room.accepted_at_ms) == (State.WAITING, ACCEPTED_MS)


@pytest.mark.parametrize(
    ("room", "reason"),
    [
        (cancelled(), "cancelled_by_guest"),
        (STAGES["declined"](), "declined"),
        (STAGES["expired"](), "ring_timeout"),
        (ended(), "ended_by_guest"),
        (session.end(live(), HOST, proofs={}, now_ms=OVER_MS).room, "ended_by_practitioner"),
        (session.end(waiting(), HOST, proofs={}, now_ms=OVER_MS).room, "ended_by_practitioner"),
    ],
)
def test_an_end_has_a_reason_and_a_time(room: Room, reason: str) -> None:
    assert room.end_reason == reason
    assert room.ended_at_ms == room.clock_ms


def test_one_side_alone_does_not_start_the_session() -> None:
    change = session.join(waiting(), HOST, connection=HOST_SOCKET, hub=HUB, now_ms=LIVE_MS)
    assert change.news == (PresenceChanged(HOST, True),)
    assert (change.room.state, change.room.live_at_ms) == (State.WAITING, None)


def test_both_sides_start_it() -> None:
    change = session.join(
        session.join(waiting(), GUEST, connection=GUEST_SOCKET, hub=HUB, now_ms=LIVE_MS - 9).room,
        HOST,
        connection=HOST_SOCKET,
        hub=HUB,
        now_ms=LIVE_MS,
    )
    assert change.news == (PresenceChanged(HOST, True), StateChanged(), MeterChanged(1))
    assert (change.room.state, change.room.live_at_ms) == (State.LIVE, LIVE_MS)


def test_a_second_device_is_not_a_second_person() -> None:
    change = session.join(live(), GUEST, connection=ConnectionId("phone"), hub=HUB, now_ms=LIVE_MS + 5)
    assert change.news == ()
    assert len(guest_of(change.room).anchors) == 2
    assert session.leave(change.room, GUEST_SOCKET, now_ms=LIVE_MS + 9).room.state is State.LIVE


def test_a_socket_that_is_there_does_not_come_again() -> None:
    room = live()
    assert session.join(room, GUEST, connection=GUEST_SOCKET, hub=HUB, now_ms=LIVE_MS + 5) == Change(room)


def test_coming_back_resumes_and_keeps_the_first_start() -> None:
    change = session.join(paused(), GUEST, connection=GUEST_SOCKET, hub=HUB, now_ms=PAUSED_MS + 9)
    assert change.news == (PresenceChanged(GUEST, True), StateChanged(), MeterChanged(1))
    assert (change.room.state, change.room.paused_at_ms) == (State.LIVE, None)
    assert change.room.live_at_ms == LIVE_MS


def test_leaving_takes_only_that_socket() -> None:
    change = session.leave(live(), HOST_SOCKET, now_ms=PAUSED_MS)
    assert change.news == (PresenceChanged(HOST, False, "left"), StateChanged(), MeterChanged(1))
    assert [anchor.connection for anchor in anchors(change.room)] == [GUEST_SOCKET]
    assert session.leave(change.room, HOST_SOCKET, now_ms=PAUSED_MS + 1) == Change(change.room)


def test_a_leave_counts_to_room_time_when_the_clock_ran_backwards() -> None:
    room = session.join(live(), HOST, connection=ConnectionId("b"), hub=HUB, now_ms=LIVE_MS + 900).room
    left = session.leave(room, GUEST_SOCKET, now_ms=LIVE_MS + 400).room
    assert guest_of(left).spans[-1].to_ms == LIVE_MS + 900


def test_the_end_tells_the_meter_then_the_state() -> None:
    change = session.end(live(), HOST, proofs={}, now_ms=OVER_MS)
    assert change.news == (MeterChanged(1), StateChanged())
    assert anchors(change.room) == []


def test_what_never_began_ends_without_a_meter() -> None:
    change = session.end(waiting(), GUEST, proofs={}, now_ms=OVER_MS)
    assert change.news == (StateChanged(),)
    assert change.room.state is State.CANCELLED


def test_a_refusal_names_the_state() -> None:
    with pytest.raises(IllegalTransition, match="live"):
        session.cancel(live(), GUEST, now_ms=OVER_MS)


def test_settling_changes_the_state_alone() -> None:
    change = session.settle(ended(), now_ms=OVER_MS + 5)
    assert change.news == (StateChanged(),)
    assert change.room == replace(ended(), state=State.SETTLED, clock_ms=OVER_MS + 5)


@pytest.mark.parametrize("stage", STAGES)
def test_a_room_survives_the_store(stage: str) -> None:
    room = STAGES[stage]()
    assert msgpack.decode(msgpack.encode(room), type=Room) == room


@pytest.mark.parametrize(
    ("room", "state"),
    [
        (stage.live(), State.ENDED),
        (stage.paused(), State.ENDED),
        (stage.waiting(), State.CANCELLED),
        (stage.ringing(), State.CANCELLED),
        (stage.requested(), State.CANCELLED),
    ],
)
@pytest.mark.parametrize("because", get_args(session.Because))
def test_what_is_stopped_says_why(room: Room, state: State, because: session.Because) -> None:
    stopped = session.stop(room, because, proofs={}, now_ms=room.clock_ms + 1).room
    assert (stopped.state, stopped.end_reason) == (state, because)
    assert session.stop(stopped, "minor", proofs={}, now_ms=stopped.clock_ms + 1).room is stopped
