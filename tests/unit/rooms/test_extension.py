"""Further holds: asked for in time, once each, again when nobody heard, and never by itself after a no."""

from functools import partial

import pytest
from msgspec.structs import replace

from rooms import deadlines, extension, meter, session
from rooms.deadlines import next_due_ms, tick
from rooms.errors import IllegalTransition, NotLive
from rooms.news import MeterChanged, MeterWarned, Noticed, StateChanged
from rooms.room import Further, Room, State
from tests.unit.rooms import stage
from tests.unit.rooms.stage import FREE, FUNDED_MS, GUEST, GUEST_SOCKET, HOST_SOCKET, LIVE_MS, MINUTE_MS

MARK_MS = LIVE_MS + FUNDED_MS * 8 // 10
ask = partial(extension.ask, guest_id=GUEST, minutes=5, cap_minor=31_500, request_id=None)


def live(*, more: bool = True, funded_ms: int = FUNDED_MS) -> Room:
    """A live session whose first hold stands; `more` says whether the cap leaves room for another."""
    room = stage.live(funded_ms=funded_ms)
    hold = room.guests[0].hold
    assert hold is not None
    hold = replace(hold, further=replace(hold.further, possible=more))
    return room.with_participant(replace(room.guests[0], hold=hold))


def further(room: Room) -> Further:
    hold = room.guests[0].hold
    assert hold is not None
    return hold.further


def at_mark() -> Room:
    return tick(live(), now_ms=MARK_MS).room


def test_the_next_hold_is_asked_for_at_eighty_percent_and_not_before() -> None:
    room = live()
    early = tick(room, now_ms=MARK_MS - 1).room
    assert further(early).asked is None
    change = tick(early, now_ms=MARK_MS)
    assert (further(change.room).asked, further(change.room).minutes) == (2, 0)
    assert not any(isinstance(item, Noticed | StateChanged) for item in change.news)


def test_the_room_wakes_for_it() -> None:
    room = live()
    dues = []
    while room.state is State.LIVE:
        due_ms = next_due_ms(room)
        assert due_ms is not None
        dues.append(due_ms)
        room = tick(room, now_ms=due_ms).room
        if further(room).asked is not None:
            break
    assert dues[-1] == MARK_MS


def test_nothing_is_asked_for_once_the_cap_is_held() -> None:
    assert further(tick(live(more=False), now_ms=MARK_MS + 1).room).asked is None


def test_a_question_that_nobody_heard_is_asked_again_with_the_same_ordinal() -> None:
    room = at_mark()
    assert next_due_ms(room) == MARK_MS + extension.AGAIN_MS
    again = tick(room, now_ms=MARK_MS + extension.AGAIN_MS).room
    assert again != room
    assert (further(again).asked, further(again).tried) == (2, 2)


def test_a_hold_that_is_placed_answers_it_and_the_next_is_asked_for_later() -> None:
    room = at_mark()
    change = session.fund(room, GUEST, ordinal=2, funded_ms=FUNDED_MS, more=True, now_ms=MARK_MS + 100)
    assert change.news == (MeterChanged(1),)
    assert further(change.room).asked is None
    second_mark_ms = LIVE_MS + 2 * FUNDED_MS * 8 // 10
    room = tick(change.room, now_ms=second_mark_ms - 1).room
    assert further(room).asked is None
    assert further(tick(room, now_ms=second_mark_ms).room).asked == 3


def test_declined_tells_both_and_ends_at_the_funded_time() -> None:
    room = at_mark()
    change = extension.refuse(room, GUEST, ordinal=2, now_ms=MARK_MS + 100)
    assert change.news == (Noticed("extension_declined", 1),)
    assert extension.refuse(change.room, GUEST, ordinal=2, now_ms=MARK_MS + 200).news == ()
    room, warned = change.room, []
    while room.state is State.LIVE:
        due_ms = next_due_ms(room)
        assert due_ms is not None
        ticked = tick(room, proofs={GUEST_SOCKET: due_ms, HOST_SOCKET: due_ms}, now_ms=due_ms)
        warned += [item.remaining_ms for item in ticked.news if isinstance(item, MeterWarned)]
        room = ticked.room
        assert room.state is not State.LIVE or further(room).asked is None
    assert warned == [MINUTE_MS]  # That two minutes were left was said at the mark already.
    assert (room.end_reason, room.ended_at_ms) == ("funding_over", LIVE_MS + FUNDED_MS)
    assert meter.billed_ms(room, room.guests[0], LIVE_MS + FUNDED_MS) == FUNDED_MS


def test_news_of_another_hold_changes_nothing() -> None:
    room = at_mark()
    assert extension.refuse(room, GUEST, ordinal=3, now_ms=MARK_MS + 1).room is room


def test_a_paused_meter_asks_for_nothing() -> None:
    room = session.leave(live(), GUEST_SOCKET, now_ms=LIVE_MS + MINUTE_MS).room
    assert next_due_ms(room) == LIVE_MS + MINUTE_MS + room.limits.grace_ms
    assert further(deadlines.tick(room, now_ms=LIVE_MS + 2 * MINUTE_MS).room).asked is None


def test_the_guest_may_ask_for_more_and_raises_the_cap() -> None:
    change = ask(live(more=False), now_ms=LIVE_MS + 1)
    assert change.news == (StateChanged(),)
    assert change.room.terms.cap_minor == 31_500
    assert (further(change.room).asked, further(change.room).minutes) == (2, 5)


def test_the_same_wish_twice_is_one_wish() -> None:
    once = ask(live(), request_id="a", now_ms=LIVE_MS + 1).room
    assert ask(once, request_id="a", cap_minor=33_000, now_ms=LIVE_MS + 2).room is once
    assert ask(once, request_id="b", cap_minor=33_000, now_ms=LIVE_MS + 2).room is once
    placed = session.fund(once, GUEST, ordinal=2, funded_ms=5 * MINUTE_MS, now_ms=LIVE_MS + 3).room
    assert ask(placed, request_id="a", cap_minor=33_000, now_ms=LIVE_MS + 4).room is placed
    assert further(ask(placed, request_id="c", cap_minor=33_000, now_ms=LIVE_MS + 4).room).asked == 3


def test_another_wish_waits_for_the_first() -> None:
    once = ask(live(), now_ms=LIVE_MS + 1).room
    with pytest.raises(IllegalTransition):
        ask(once, minutes=6, now_ms=LIVE_MS + 2)


def test_after_a_no_the_guest_may_ask_again_under_a_new_ordinal() -> None:
    refused = extension.refuse(at_mark(), GUEST, ordinal=2, now_ms=MARK_MS + 1).room
    assert further(ask(refused, now_ms=MARK_MS + 2).room).asked == 3


@pytest.mark.parametrize("room", [stage.requested(), stage.ringing(), stage.live(FREE)])
def test_what_is_not_running_or_has_no_price_is_not_extended(room: Room) -> None:
    with pytest.raises(IllegalTransition):
        ask(room, now_ms=room.clock_ms)


def test_what_is_over_is_not_extended() -> None:
    with pytest.raises(NotLive):
        ask(stage.ended(), now_ms=stage.OVER_MS)
