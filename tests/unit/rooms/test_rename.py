import pytest
from msgspec.structs import replace

from rooms import session
from rooms.errors import NotFound
from rooms.news import StateChanged
from rooms.room import Room
from tests.unit.rooms import stage


@pytest.mark.parametrize("room", [stage.requested(), stage.waiting(), stage.live(), stage.paused()])
def test_a_new_name_is_told_to_both(room: Room) -> None:
    change = session.rename(room, stage.GUEST, "Ada", now_ms=room.clock_ms + 5)
    assert change.news == (StateChanged(),)
    changed = change.room.participant(stage.GUEST)
    assert changed is not None
    assert changed.name == "Ada"
    # Nothing else of the room is another one: neither presence nor money knows names.
    before = replace(stage.guest_of(room), name="Ada")
    assert change.room == replace(room.with_participant(before), clock_ms=room.clock_ms + 5)
    assert session.rename(change.room, stage.GUEST, "Ada", now_ms=change.room.clock_ms + 5).news == ()


@pytest.mark.parametrize("room", [stage.ended(), stage.settled(), stage.cancelled(), stage.declined()])
def test_what_is_over_keeps_its_names(room: Room) -> None:
    change = session.rename(room, stage.HOST, "Ada", now_ms=room.clock_ms + 5)
    assert (change.room, change.news) == (room, ())


def test_a_stranger_is_not_there() -> None:
    with pytest.raises(NotFound):
        session.rename(stage.live(), stage.STRANGER, "Ada", now_ms=0)
