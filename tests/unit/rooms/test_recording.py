"""What people see of a recording goes one way, whoever comes late with an older word of it."""

from typing import Literal, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rooms import departure, recording
from rooms.errors import NotFound, NotLive, NotRecorded
from rooms.news import RecordingChanged
from rooms.room import Recording, RecordingState, Room, State
from tests.unit.rooms.stage import GUEST, HOST, STRANGER, live

ORDER: list[RecordingState] = list(get_args(RecordingState))
NOW_MS = 2_000_000_000_000


def told(state: RecordingState, name: str = "a") -> Recording:
    return Recording(name, state, HOST, 1_000)


def test_only_the_host_of_a_live_session_of_two_may_begin() -> None:
    room = live()
    recording.may_begin(room, HOST)
    for who in (GUEST, STRANGER):
        with pytest.raises(NotFound):
            recording.may_begin(room, who)
    with pytest.raises(NotRecorded):
        recording.may_begin(replace(room, kind="live_room"), HOST)
    for state in State:
        if state is not State.LIVE:
            with pytest.raises(NotLive):
                recording.may_begin(replace(room, state=state), HOST)


def test_it_is_shown_once() -> None:
    room = live()
    change = recording.show(room, told("starting"), now_ms=NOW_MS)
    assert change.news == (RecordingChanged(),)
    assert recording.show(change.room, told("starting"), now_ms=NOW_MS).news == ()


def test_what_is_over_is_left_alone() -> None:
    over = departure.close(live(), State.ENDED, "ended_by_guest", now_ms=NOW_MS).room
    assert recording.show(over, told("recording"), now_ms=NOW_MS).room is over


@given(st.permutations([(name, state) for name in "ab" for state in ("starting", "recording", "stopped")]))
def test_in_any_order_the_latest_word_stands(
    words: list[tuple[str, Literal["starting", "recording", "stopped"]]],
) -> None:
    room: Room = live()
    for name, state in words:
        room = recording.show(room, told(state, name), now_ms=NOW_MS).room
    assert room.recording == told("stopped", "b")
