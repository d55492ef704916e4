from collections.abc import Iterator

import pytest

from rooms import meter, session
from rooms.deadlines import next_due_ms, tick
from rooms.news import Change, MeterWarned, News
from rooms.room import Limits, Room, State
from tests.unit.rooms.stage import (
    ACCEPTED_MS,
    FREE,
    FUNDED_MS,
    GUEST,
    GUEST_SOCKET,
    HOST,
    HOST_SOCKET,
    LIMITS,
    LIVE_MS,
    MINUTE_MS,
    OVER_STAGES,
    PAUSED_MS,
    PER_MINUTE,
    STAGES,
    START_MS,
    anchors,
    enter,
    guest_of,
    live,
    paused,
    requested,
    ringing,
    waiting,
)

HOUR_MS = 60 * MINUTE_MS


def asking() -> Room:
    return session.await_confirmation(
        requested(), GUEST, url="https://bank.example", now_ms=START_MS + 9
    ).room


def short() -> Room:
    """Live with more funds than the session may last."""
    return live(limits=Limits(session_ms=15 * MINUTE_MS), funded_ms=HOUR_MS)


def short_paused() -> Room:
    """Paused so shortly before the longest time that the grace is cut."""
    return session.leave(short(), GUEST_SOCKET, now_ms=LIVE_MS + 14 * MINUTE_MS).room


DUE = [
    (requested(), START_MS + LIMITS.hold_ms, State.CANCELLED, "hold_timeout"),
    (asking(), START_MS + LIMITS.confirm_ms, State.CANCELLED, "hold_timeout"),
    (ringing(), START_MS + 1_000 + LIMITS.ring_ms, State.EXPIRED, "ring_timeout"),
    (ringing(FREE), START_MS + LIMITS.ring_ms, State.EXPIRED, "ring_timeout"),
    (waiting(), ACCEPTED_MS + LIMITS.join_ms, State.CANCELLED, "not_joined"),
    (paused(), PAUSED_MS + LIMITS.grace_ms, State.ENDED, "line_lost"),
    (live(FREE), LIVE_MS + LIMITS.session_ms, State.ENDED, "session_limit"),
    (short_paused(), LIVE_MS + 15 * MINUTE_MS, State.ENDED, "session_limit"),
    (live(funded_ms=50_000), LIVE_MS + 50_000, State.ENDED, "funding_over"),
]
NAMES = [f"{room.state}-{reason}-{n}" for n, (room, _, _, reason) in enumerate(DUE)]


def spend(room: Room) -> Iterator[tuple[int, Change]]:
    """Every tick of a room at exactly the time it asks for. No session needs a dozen."""
    for _ in range(12):
        due_ms = next_due_ms(room)
        if due_ms is None:
            return
        change = tick(room, now_ms=due_ms)
        yield due_ms, change
        room = change.room
    raise AssertionError("a room that is looked at again and again")


def warnings(news: tuple[News, ...]) -> list[int]:
    return [item.remaining_ms for item in news if isinstance(item, MeterWarned)]


@pytest.mark.parametrize(("room", "due_ms", "state", "reason"), DUE, ids=NAMES)
def test_a_deadline_is_kept_to_the_millisecond(room: Room, due_ms: int, state: State, reason: str) -> None:
    assert next_due_ms(room) == due_ms
    assert tick(room, now_ms=due_ms - 1) == Change(room)
    over = tick(room, now_ms=due_ms).room
    assert (over.state, over.end_reason, over.ended_at_ms) == (state, reason, due_ms)
    assert anchors(over) == []
    assert next_due_ms(over) is None


@pytest.mark.parametrize(("room", "due_ms", "state", "reason"), DUE, ids=NAMES)
def test_a_late_tick_does_the_same_and_a_second_nothing(
    room: Room, due_ms: int, state: State, reason: str
) -> None:
    over = tick(room, now_ms=due_ms + HOUR_MS // 2).room
    assert over.state is state
    assert tick(over, now_ms=due_ms + HOUR_MS) == Change(over)


@pytest.mark.parametrize("stage", OVER_STAGES)
def test_nothing_is_due_in_what_is_over(stage: str) -> None:
    room = STAGES[stage]()
    assert next_due_ms(room) is None
    assert tick(room, now_ms=START_MS + 99 * HOUR_MS) == Change(room)


def test_a_tick_from_before_the_rooms_time_is_one_at_it() -> None:
    room = enter(waiting(), HOST, HOST_SOCKET, ACCEPTED_MS + LIMITS.join_ms + 5)
    over = tick(room, now_ms=START_MS).room
    assert (over.state, over.ended_at_ms) == (State.CANCELLED, room.clock_ms)


def test_warnings_come_once_each_at_five_two_and_one_minute_and_then_the_end() -> None:
    ticks = list(spend(live()))
    assert [(due_ms - LIVE_MS) // MINUTE_MS for due_ms, _ in ticks] == [5, 8, 9, 10]
    assert [warnings(change.news) for _, change in ticks] == [[5 * 60_000], [2 * 60_000], [60_000], []]
    assert ticks[-1][1].room.end_reason == "funding_over"


def test_a_late_tick_warns_once_for_all_that_it_missed() -> None:
    change = tick(live(), now_ms=LIVE_MS + 8 * MINUTE_MS + 30_000)
    assert warnings(change.news) == [90_000]
    assert sorted(guest_of(change.room).warned_minutes) == [2, 5]
    assert next_due_ms(change.room) == LIVE_MS + 9 * MINUTE_MS


@pytest.mark.parametrize(("minutes", "marks"), [(1, []), (2, [1]), (5, [2, 1]), (6, [5, 2, 1])])
def test_what_is_short_from_the_start_is_no_warning(minutes: int, marks: list[int]) -> None:
    given = [warnings(change.news) for _, change in spend(live(funded_ms=minutes * MINUTE_MS))]
    assert given == [*([mark * MINUTE_MS] for mark in marks), []]


def test_the_meter_and_its_warnings_stand_still_in_a_pause() -> None:
    room = enter(paused(), GUEST, GUEST_SOCKET, PAUSED_MS + 90_000)
    assert next_due_ms(room) == LIVE_MS + 5 * MINUTE_MS + 90_000
    over = list(spend(room))[-1][1].room
    assert over.ended_at_ms == LIVE_MS + FUNDED_MS + 90_000


def test_a_free_session_is_never_warned() -> None:
    assert [change.room.end_reason for _, change in spend(live(FREE))] == ["session_limit"]


def test_more_funds_move_the_end_and_warn_again_near_it() -> None:
    warned = tick(live(), now_ms=LIVE_MS + 8 * MINUTE_MS).room
    more = session.fund(warned, GUEST, ordinal=2, funded_ms=FUNDED_MS, now_ms=LIVE_MS + 8 * MINUTE_MS).room
    assert next_due_ms(more) == LIVE_MS + 15 * MINUTE_MS
    ends = [warnings(change.news) for _, change in spend(more)]
    assert ends == [[5 * MINUTE_MS], [2 * MINUTE_MS], [MINUTE_MS], []]


def test_funds_that_do_not_lift_the_rest_over_a_mark_do_not_warn_of_it_again() -> None:
    at_ms = LIVE_MS + 8 * MINUTE_MS
    warned = tick(live(), now_ms=at_ms).room
    # Two minutes are left and one comes: of five the people know, two will be news once more.
    more = session.fund(warned, GUEST, ordinal=2, funded_ms=MINUTE_MS, now_ms=at_ms).room
    assert next_due_ms(more) == at_ms + MINUTE_MS
    assert tick(more, now_ms=at_ms) == Change(more)


def test_a_late_end_bills_no_more_than_the_funds() -> None:
    now_ms = LIVE_MS + 40 * MINUTE_MS
    over = tick(live(), proofs={GUEST_SOCKET: now_ms, HOST_SOCKET: now_ms}, now_ms=now_ms).room
    assert meter.billed_ms(over, guest_of(over), now_ms) == FUNDED_MS


def test_the_end_of_time_counts_a_silent_socket_to_its_last_packet() -> None:
    now_ms = LIVE_MS + FUNDED_MS
    proofs = {GUEST_SOCKET: now_ms - MINUTE_MS, HOST_SOCKET: now_ms}
    over = tick(live(PER_MINUTE), proofs=proofs, now_ms=now_ms).room
    assert over.end_reason == "funding_over"
    assert meter.billed_ms(over, guest_of(over), now_ms) == FUNDED_MS - MINUTE_MS
