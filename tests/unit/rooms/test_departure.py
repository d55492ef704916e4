import pytest

from rooms import departure, meter, session
from rooms.departure import Proofs
from rooms.ids import ConnectionId
from rooms.news import Change, MeterChanged, PresenceChanged, StateChanged
from rooms.presence import Span
from rooms.room import Room, State
from tests.unit.rooms.stage import (
    GUEST,
    GUEST_SOCKET,
    HOST,
    HOST_SOCKET,
    LIMITS,
    LIVE_MS,
    MINUTE_MS,
    OTHER_HUB,
    STAGES,
    anchors,
    enter,
    guest_of,
    live,
    paused,
    waiting,
)

NOW_MS = LIVE_MS + MINUTE_MS
PHONE = ConnectionId("phone")
UNHEARD_MS = LIMITS.unheard_ms


def drop(room: Room, proofs: Proofs, now_ms: int = NOW_MS) -> Change:
    return departure.drop(room, proofs, reason="lost", now_ms=now_ms)


def close(room: Room, proofs: Proofs | None, now_ms: int = NOW_MS) -> Room:
    return departure.close(room, State.ENDED, "over", proofs=proofs, now_ms=now_ms).room


def billed(room: Room) -> int:
    return meter.billed_ms(room, guest_of(room), room.clock_ms)


def test_a_lost_socket_counts_to_its_last_packet() -> None:
    change = drop(live(), {GUEST_SOCKET: LIVE_MS + 20_000})
    assert guest_of(change.room).spans == (Span(LIVE_MS, LIVE_MS + 20_000),)
    assert billed(change.room) == 20_000


def test_losing_a_side_pauses_from_the_moment_it_is_noticed() -> None:
    change = drop(live(), {GUEST_SOCKET: LIVE_MS + 20_000})
    assert change.news == (PresenceChanged(GUEST, False, "lost"), StateChanged(), MeterChanged(1))
    assert (change.room.state, change.room.paused_at_ms) == (State.PAUSED, NOW_MS)


def test_a_lost_hub_takes_both_at_once() -> None:
    change = drop(live(), {HOST_SOCKET: LIVE_MS + 5_000, GUEST_SOCKET: LIVE_MS + 9_000})
    assert change.news[:2] == (PresenceChanged(HOST, False, "lost"), PresenceChanged(GUEST, False, "lost"))
    assert anchors(change.room) == []
    assert billed(change.room) == 5_000


@pytest.mark.parametrize(("proof_ms", "to_ms"), [(LIVE_MS - 5_000, None), (NOW_MS + 5_000, NOW_MS)])
def test_a_proof_is_held_to_the_sockets_own_time(proof_ms: int, to_ms: int | None) -> None:
    spans = guest_of(drop(live(), {GUEST_SOCKET: proof_ms}).room).spans
    assert spans == (() if to_ms is None else (Span(LIVE_MS, to_ms),))


def test_a_half_open_socket_goes_unnoticed_while_a_newer_one_is_there() -> None:
    room = enter(live(), GUEST, PHONE, LIVE_MS + 30_000, OTHER_HUB)
    change = drop(room, {GUEST_SOCKET: LIVE_MS + 10_000})
    assert change.room.state is State.LIVE
    assert not any(isinstance(item, PresenceChanged | StateChanged) for item in change.news)
    # The time between the two sockets is proven by neither.
    assert billed(change.room) == 10_000 + NOW_MS - (LIVE_MS + 30_000)


def test_a_meter_that_shrinks_is_told() -> None:
    room = enter(live(), GUEST, PHONE, LIVE_MS + 30_000, OTHER_HUB)
    change = drop(room, {GUEST_SOCKET: LIVE_MS + 10_000})
    assert meter.billed_ms(room, guest_of(room), NOW_MS) > billed(change.room)
    assert MeterChanged(1) in change.news


def test_a_meter_that_shrinks_in_a_pause_is_told() -> None:
    room = session.leave(live(), HOST_SOCKET, now_ms=LIVE_MS + 50_000).room
    change = drop(room, {GUEST_SOCKET: LIVE_MS + 10_000})
    assert (billed(room), billed(change.room)) == (50_000, 10_000)
    assert MeterChanged(1) in change.news


def test_overlapping_sockets_are_counted_once() -> None:
    room = enter(live(), GUEST, PHONE, LIVE_MS + 10_000)
    gone = drop(drop(room, {GUEST_SOCKET: LIVE_MS + 20_000}).room, {PHONE: LIVE_MS + 40_000}).room
    assert guest_of(gone).spans == (Span(LIVE_MS, LIVE_MS + 40_000),)


def test_a_socket_may_come_back_under_its_name() -> None:
    again = enter(paused(), GUEST, GUEST_SOCKET, NOW_MS + 30_000)
    change = drop(again, {GUEST_SOCKET: NOW_MS}, NOW_MS + 40_000)
    assert guest_of(change.room).spans == guest_of(paused()).spans


def test_unknown_sockets_change_nothing() -> None:
    assert drop(live(), {PHONE: NOW_MS}) == Change(live())
    assert drop(live(), {}) == Change(live())


@pytest.mark.parametrize("stage", [name for name in STAGES if name != "live"])
def test_only_a_live_session_is_paused(stage: str) -> None:
    room = STAGES[stage]()
    change = drop(room, {GUEST_SOCKET: NOW_MS, HOST_SOCKET: NOW_MS})
    assert change.room.state is room.state
    assert change.room.paused_at_ms == room.paused_at_ms


def test_leaving_a_room_that_waits_is_presence_alone() -> None:
    room = enter(waiting(), HOST, HOST_SOCKET, LIVE_MS)
    assert drop(room, {HOST_SOCKET: NOW_MS}).news == (PresenceChanged(HOST, False, "lost"),)


def test_room_time_does_not_run_backwards() -> None:
    assert drop(live(), {GUEST_SOCKET: LIVE_MS}, LIVE_MS - 9_000).room.paused_at_ms == LIVE_MS
    assert close(live(), {}, LIVE_MS - 9_000).ended_at_ms == LIVE_MS


@pytest.mark.parametrize(
    ("silent_ms", "to_ms"),
    [(0, NOW_MS), (UNHEARD_MS, NOW_MS), (UNHEARD_MS + 1, NOW_MS - UNHEARD_MS - 1), (-5, NOW_MS)],
)
def test_an_orderly_end_counts_who_was_heard_just_now(silent_ms: int, to_ms: int) -> None:
    room = close(live(), {GUEST_SOCKET: NOW_MS - silent_ms, HOST_SOCKET: NOW_MS})
    assert guest_of(room).spans == (Span(LIVE_MS, to_ms),)


def test_a_socket_without_proof_was_heard_when_it_came() -> None:
    assert billed(close(live(), None)) == 0
    assert billed(close(live(), None, LIVE_MS + 3_000)) == 3_000
    assert billed(close(live(), {HOST_SOCKET: NOW_MS})) == 0


def test_a_proof_from_before_the_entry_is_worth_no_less_than_none() -> None:
    now_ms = LIVE_MS + UNHEARD_MS - 1_000
    stale = {GUEST_SOCKET: LIVE_MS - 2_000, HOST_SOCKET: now_ms}
    assert billed(close(live(), {HOST_SOCKET: now_ms}, now_ms)) == UNHEARD_MS - 1_000
    assert billed(close(live(), stale, now_ms)) == UNHEARD_MS - 1_000


def test_after_the_end_nobody_is_there_and_nothing_moves() -> None:
    room = close(live(), {GUEST_SOCKET: NOW_MS, HOST_SOCKET: NOW_MS})
    assert anchors(room) == []
    assert (room.ended_at_ms, room.end_reason, room.paused_at_ms) == (NOW_MS, "over", None)
    assert drop(room, {GUEST_SOCKET: LIVE_MS}, NOW_MS + 5) == Change(room)
    assert meter.billed_ms(room, guest_of(room), NOW_MS + 99_000) == MINUTE_MS


def test_a_paused_session_that_closes_is_paused_no_more() -> None:
    assert close(paused(), {}, NOW_MS + 5).paused_at_ms is None


def test_proofs_of_other_rooms_do_no_harm() -> None:
    here = {GUEST_SOCKET: NOW_MS, HOST_SOCKET: NOW_MS}
    assert close(live(), here) == close(live(), {**here, PHONE: LIVE_MS})
    assert HOST in {person.user_id for person in close(live(), here).people}
