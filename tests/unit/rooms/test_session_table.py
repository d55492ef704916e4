"""Every action in every state, from a table that is written by hand and not taken from the code."""

from collections.abc import Callable

import pytest

from rooms import session
from rooms.errors import NotFound, RoomError
from rooms.ids import ConnectionId, UserId
from rooms.news import Change, StateChanged
from rooms.room import Room, State
from tests.unit.rooms.stage import (
    GUEST,
    HOST,
    HUB,
    MINUTE_MS,
    OVER_MS,
    STAGES,
    STRANGER,
    state_of,
)

# A state: the session changes and is in it then. `same`: nothing at all changes. Else the refusal's code.
TABLE = """
action       requested ringing   waiting   live      paused    ended    settled  declined expired  cancelled
accept       conflict  waiting   same      same      same      conflict conflict conflict conflict conflict
decline      declined  declined  conflict  conflict  conflict  conflict conflict same     conflict conflict
cancel       cancelled cancelled cancelled conflict  conflict  conflict conflict conflict conflict same
end:guest    conflict  conflict  cancelled ended     ended     same     same     same     same     same
end:host     conflict  conflict  cancelled ended     ended     same     same     same     same     same
join:guest   not_live  not_live  waiting   live      live      not_live not_live not_live not_live not_live
join:host    not_live  not_live  waiting   live      paused    not_live not_live not_live not_live not_live
fund:again   requested same      same      same      same      same     same     same     same     same
fund:more    requested requested waiting   live      paused    not_live not_live not_live not_live not_live
confirm      requested same      same      same      same      same     same     same     same     same
card         cancelled same      same      same      same      same     same     same     same     same
settle       same      same      same      same      same      settled  same     same     same     same
"""

Action = Callable[[Room], Change]
NOW_MS = OVER_MS + MINUTE_MS


def accept(who: UserId) -> Action:
    return lambda room: session.accept(room, who, now_ms=NOW_MS)


def decline(who: UserId) -> Action:
    return lambda room: session.decline(room, who, now_ms=NOW_MS)


def cancel(who: UserId) -> Action:
    return lambda room: session.cancel(room, who, now_ms=NOW_MS)


def end(who: UserId) -> Action:
    return lambda room: session.end(room, who, proofs={}, now_ms=NOW_MS)


def join(who: UserId) -> Action:
    new = ConnectionId("one-more-socket")
    return lambda room: session.join(room, who, connection=new, hub=HUB, now_ms=NOW_MS)


def fund(who: UserId, ordinal: int = 1) -> Action:
    return lambda room: session.fund(room, who, ordinal=ordinal, funded_ms=MINUTE_MS, now_ms=NOW_MS)


def confirm(who: UserId) -> Action:
    return lambda room: session.await_confirmation(room, who, url="https://bank.example", now_ms=NOW_MS)


def decline_hold(who: UserId) -> Action:
    return lambda room: session.decline_hold(room, who, now_ms=NOW_MS)


ACTIONS: dict[str, Action] = {
    "accept": accept(HOST),
    "decline": decline(HOST),
    "cancel": cancel(GUEST),
    "end:guest": end(GUEST),
    "end:host": end(HOST),
    "join:guest": join(GUEST),
    "join:host": join(HOST),
    "fund:again": fund(GUEST),
    "fund:more": fund(GUEST, 2),
    "confirm": confirm(GUEST),
    "card": decline_hold(GUEST),
    "settle": lambda room: session.settle(room, now_ms=NOW_MS),
}
PERSONAL = (accept, decline, cancel, end, join, fund, confirm, decline_hold)
ROWS = [line.split() for line in TABLE.strip().splitlines()]
CELLS = [(row[0], stage, cell) for row in ROWS[1:] for stage, cell in zip(ROWS[0][1:], row[1:], strict=True)]


@pytest.mark.parametrize(("action", "stage", "expected"), CELLS)
def test_action_in_state(action: str, stage: str, expected: str) -> None:
    room = STAGES[stage]()
    if expected == "same":
        assert ACTIONS[action](room) == Change(room)
    elif expected in set(State):
        change = ACTIONS[action](room)
        assert change.room.state == expected
        assert change.room != room
        # A second socket of someone who is there is no news; another state always is.
        assert (StateChanged() in change.news) or change.room.state is room.state
    else:
        with pytest.raises(RoomError) as refusal:
            ACTIONS[action](room)
        assert refusal.value.code == expected


def test_the_table_is_whole() -> None:
    assert ROWS[0][1:] == list(STAGES)
    assert [row[0] for row in ROWS[1:]] == list(ACTIONS)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_is_in_the_state_of_its_name(stage: str) -> None:
    assert STAGES[stage]().state is state_of(stage)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("action", PERSONAL, ids=lambda action: action.__name__)
def test_to_a_stranger_no_session_exists(action: Callable[[UserId], Action], stage: str) -> None:
    with pytest.raises(NotFound) as refusal:
        action(STRANGER)(STAGES[stage]())
    assert refusal.value.code == "not_found"


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    "action",
    [accept(GUEST), decline(GUEST), cancel(HOST), fund(HOST), confirm(HOST), decline_hold(HOST)],
    ids=["accept", "decline", "cancel", "fund", "confirm", "decline_hold"],
)
def test_what_belongs_to_the_other_side_does_not_exist(action: Action, stage: str) -> None:
    with pytest.raises(NotFound):
        action(STAGES[stage]())
