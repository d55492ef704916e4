from rooms import departure, meter
from rooms.ids import ConnectionId
from rooms.presence import Span
from tests.unit.rooms import stage
from tests.unit.rooms.stage import FREE, GUEST, GUEST_SOCKET, HOST, HOST_SOCKET, LIVE_MS, MINUTE_MS, guest_of


def test_nothing_is_billed_before_the_session_is_live() -> None:
    room = stage.enter(stage.waiting(), HOST, ConnectionId("h"), LIVE_MS)
    assert meter.intervals(room, guest_of(room), LIVE_MS + MINUTE_MS) == ()
    assert not meter.running(room, guest_of(room))


def test_the_meter_runs_from_live_and_stands_in_a_pause() -> None:
    room = stage.live()
    assert meter.running(room, guest_of(room))
    assert meter.intervals(room, guest_of(room), LIVE_MS + 9) == (Span(LIVE_MS, LIVE_MS + 9),)
    assert not meter.running(stage.paused(), guest_of(stage.paused()))
    assert meter.billed_ms(stage.paused(), guest_of(stage.paused()), LIVE_MS + 9 * MINUTE_MS) == MINUTE_MS


def test_an_earlier_time_is_billed_as_it_was_then() -> None:
    both = {GUEST_SOCKET: LIVE_MS + MINUTE_MS, HOST_SOCKET: LIVE_MS + MINUTE_MS}
    room = departure.drop(stage.live(), both, reason="lost", now_ms=LIVE_MS + MINUTE_MS).room
    assert meter.billed_ms(room, guest_of(room), LIVE_MS + 9) == 9
    assert meter.billed_ms(room, guest_of(room), LIVE_MS - 9) == 0


def test_a_pause_splits_the_bill() -> None:
    room = stage.enter(stage.paused(), GUEST, GUEST_SOCKET, LIVE_MS + 2 * MINUTE_MS)
    assert meter.intervals(room, guest_of(room), LIVE_MS + 3 * MINUTE_MS) == (
        Span(LIVE_MS, LIVE_MS + MINUTE_MS),
        Span(LIVE_MS + 2 * MINUTE_MS, LIVE_MS + 3 * MINUTE_MS),
    )


def test_the_end_of_funds_is_foreseen_only_while_the_meter_runs() -> None:
    room = stage.live()
    for now_ms in (LIVE_MS, LIVE_MS + MINUTE_MS, LIVE_MS + stage.FUNDED_MS):
        assert meter.funded_at_ms(room, guest_of(room), now_ms) == LIVE_MS + stage.FUNDED_MS
    assert meter.funded_at_ms(stage.paused(), guest_of(stage.paused()), LIVE_MS) is None
    assert meter.funded_at_ms(stage.live(FREE), guest_of(stage.live(FREE)), LIVE_MS) is None
