import pytest
from msgspec.structs import replace

from rooms.chat import voices
from tests.unit.rooms.stage import GUEST, HOST, HOST_SOCKET, LIVE_MS, STAGES, enter, guest_of, live, waiting


def test_both_speak_in_a_live_room() -> None:
    assert voices(live()) == {HOST: "open", GUEST: "open"}


def test_whoever_is_not_in_the_room_has_no_voice() -> None:
    assert voices(waiting()) == {}
    assert voices(enter(waiting(), HOST, HOST_SOCKET, LIVE_MS)) == {HOST: "open"}
    assert voices(STAGES["paused"]()) == {HOST: "open"}


def test_a_muted_person_is_told_apart_from_an_absent_one() -> None:
    room = live()
    muted = room.with_participant(replace(guest_of(room), muted=True))
    assert voices(muted) == {HOST: "open", GUEST: "muted"}


@pytest.mark.parametrize("stage", [name for name in STAGES if name not in ("waiting", "live", "paused")])
def test_chat_is_closed_outside_the_open_states(stage: str) -> None:
    room = STAGES[stage]()
    assert voices(room) == {}
    # Even a socket that should not be there gives no voice.
    haunted = room.with_participant(replace(room.practitioner, anchors=live().practitioner.anchors))
    assert voices(haunted) == {}
