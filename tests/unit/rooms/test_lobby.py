"""The lobby, case by case; `tests/model/test_live_room.py` tries everything at random."""

from functools import partial

import pytest

from billing.settlement import settle
from rooms import deadlines, departure, extension, lobby, media, meter, session
from rooms.errors import IllegalTransition, LobbyFull, NotAdmitted, NotFound, NotLive, RoomFull
from rooms.ids import ConnectionId, HubId, SessionId, UserId
from rooms.news import Change, LobbyChanged, PresenceChanged
from rooms.room import Limits, Participant, Room, State, Terms
from store.redis.rooms import to_settle

HOST, GUS, ADA = UserId("host"), UserId("gus"), UserId("ada")
T0, MINUTE = 1_000_000, 60_000
FREE = Terms("free", "usd", 0, 0, 2_000, 0, 0)
PAID = Terms("per_minute", "usd", 300, 0, 2_000, 50, 36_000)
FLAT = Terms("flat", "usd", 0, 0, 2_000, 50, 2_500, flat_after_ms=2 * MINUTE)


def opened(terms: Terms = FREE, *, seats: int = 2, starts_at_ms: int | None = None) -> Room:
    return lobby.open_room(
        SessionId("r"), host=(HOST, "Pia"), terms=terms, limits=Limits(join_ms=900_000), seats=seats,
        history="from_entry", starts_at_ms=starts_at_ms, now_ms=T0,
    ).room  # fmt: skip


def knock(room: Room, who: UserId, *, request_id: str = "k", now_ms: int = T0) -> Room:
    line = ConnectionId(f"{who}-lobby")
    return lobby.knock(
        room, (who, who), request_id=request_id, connection=line, hub=HubId("h"), now_ms=now_ms
    ).room


def join(room: Room, who: UserId, *, now_ms: int = T0, seq: int = 0) -> Room:
    return session.join(
        room, who, connection=ConnectionId(f"{who}-in"), hub=HubId("h"), seq=seq, now_ms=now_ms
    ).room


def let_in(room: Room, who: UserId, *, now_ms: int = T0) -> Room:
    room = knock(room, who, now_ms=now_ms)
    if room.terms.kind != "free":
        room = session.fund(room, who, ordinal=1, funded_ms=10 * MINUTE, more=True, now_ms=now_ms).room
    return join(lobby.admit(room, HOST, who, now_ms=now_ms).room, who, now_ms=now_ms)


def live(terms: Terms = FREE, *guests: UserId) -> Room:
    room = join(opened(terms), HOST)
    for who in guests:
        room = let_in(room, who)
    return room


def heard(now_ms: int) -> dict[ConnectionId, int]:
    """Everybody in the room was heard at this moment."""
    return {ConnectionId(f"{who}-in"): now_ms for who in (HOST, GUS, ADA)}


def of(room: Room, who: UserId) -> Participant:
    found = room.participant(who)
    assert found is not None
    return found


def test_it_is_live_with_its_host_alone_and_bills_nobody() -> None:
    room = live(PAID)
    assert room.state is State.LIVE
    room = let_in(room, GUS, now_ms=T0 + 5 * MINUTE)
    assert meter.billed_ms(room, of(room, GUS), T0 + 6 * MINUTE) == MINUTE


def test_a_guest_who_goes_does_not_pause_it_and_the_host_does() -> None:
    room = live(FREE, GUS)
    left = session.leave(room, ConnectionId("gus-in"), now_ms=T0 + 1)
    assert left.room.state is State.LIVE
    assert PresenceChanged(GUS, False, "left") in left.news
    assert session.leave(room, ConnectionId("host-in"), now_ms=T0 + 1).room.state is State.PAUSED


def test_who_does_not_come_back_is_out_and_the_room_goes_on() -> None:
    room = session.leave(live(PAID, GUS, ADA), ConnectionId("gus-in"), now_ms=T0 + MINUTE).room
    due_ms = deadlines.next_due_ms(room)
    assert due_ms == T0 + MINUTE + room.limits.grace_ms
    room = deadlines.tick(room, now_ms=due_ms).room
    assert (room.state, of(room, GUS).end_reason) == (State.LIVE, "line_lost")
    bill = settle(room, of(room, GUS), held=())
    assert (bill.billed_ms, bill.subtotal_minor) == (MINUTE, 300)


def test_a_knock_lasts_as_long_as_a_line_of_theirs() -> None:
    room = knock(opened(), GUS)
    gone = departure.drop(room, {ConnectionId("gus-lobby"): T0}, reason="line_dropped", now_ms=T0 + 5).room
    assert of(gone, GUS).spans == ()
    again = knock(gone, GUS, now_ms=T0 + 10)
    assert of(again, GUS).away_since_ms is None
    over = deadlines.tick(gone, now_ms=T0 + 5 + gone.limits.grace_ms).room
    assert of(over, GUS).end_reason == "knock_abandoned"
    # Never in, so they may try again: the same part, and the next hold.
    assert of(knock(over, GUS, request_id="new", now_ms=over.clock_ms), GUS).no == 1


def test_the_host_sees_whoever_can_pay() -> None:
    room = knock(live(PAID), GUS)
    assert list(lobby.waiting(room)) == []
    with pytest.raises(IllegalTransition):
        lobby.admit(room, HOST, GUS, now_ms=T0)
    placed = session.fund(room, GUS, ordinal=1, funded_ms=MINUTE, now_ms=T0)
    assert LobbyChanged() in placed.news
    assert [guest.user_id for guest in lobby.waiting(placed.room)] == [GUS]


def test_a_declined_card_may_be_replaced_and_the_old_hold_never_counts() -> None:
    room = session.decline_hold(knock(live(PAID), GUS), GUS, now_ms=T0).room
    assert of(room, GUS).end_reason == "card_declined"
    assert knock(room, GUS) == room
    again = knock(room, GUS, request_id="other card")
    assert (of(again, GUS).holds_from, of(again, GUS).no) == (2, 1)
    with pytest.raises(NotLive):
        session.fund(again, GUS, ordinal=1, funded_ms=MINUTE, now_ms=T0)
    assert of(session.fund(again, GUS, ordinal=2, funded_ms=MINUTE, now_ms=T0).room, GUS).ready


def test_the_last_seat_is_taken_once() -> None:
    room = knock(knock(join(opened(seats=1), HOST), GUS), ADA)
    room = lobby.admit(room, HOST, GUS, now_ms=T0).room
    with pytest.raises(RoomFull):
        lobby.admit(room, HOST, ADA, now_ms=T0)
    freed = lobby.remove(room, HOST, GUS, proofs={}, now_ms=T0).room
    assert of(lobby.admit(freed, HOST, ADA, now_ms=T0).room, ADA).lobby == "admitted"


def test_who_was_denied_stays_out() -> None:
    room = lobby.deny(knock(opened(), GUS), HOST, GUS, now_ms=T0).room
    assert lobby.deny(room, HOST, GUS, now_ms=T0) == Change(room)
    with pytest.raises(IllegalTransition):
        knock(room, GUS, request_id="again")


def test_back_in_the_lobby_nothing_is_billed_and_nothing_was_lost() -> None:
    room = lobby.send_back(live(PAID, GUS), HOST, GUS, proofs=heard(T0 + MINUTE), now_ms=T0 + MINUTE)
    stayed = of(room.room, GUS)
    assert (stayed.lobby, stayed.ready, stayed.end_reason) == ("waiting", True, None)
    with pytest.raises(NotAdmitted):
        join(room.room, GUS)
    again = join(lobby.admit(room.room, HOST, GUS, now_ms=T0 + 3 * MINUTE).room, GUS, now_ms=T0 + 3 * MINUTE)
    assert meter.billed_ms(again, of(again, GUS), T0 + 4 * MINUTE) == 2 * MINUTE


def test_who_is_in_the_lobby_buys_no_more_time() -> None:
    """Nothing places that hold while they wait, and they would wait for it for nothing."""
    room = lobby.send_back(live(PAID, GUS), HOST, GUS, proofs={}, now_ms=T0 + MINUTE).room
    with pytest.raises(NotAdmitted):
        extension.ask(room, GUS, minutes=5, cap_minor=50_000, request_id=None, now_ms=T0 + MINUTE)


def test_a_line_of_theirs_is_in_the_room_only_by_coming_in() -> None:
    room = lobby.admit(knock(live(), GUS), HOST, GUS, now_ms=T0).room
    lines = [ConnectionId(f"{GUS}-lobby"), ConnectionId(f"{GUS}-in")]
    assert [of(room, GUS).is_in(line) for line in lines] == [False, False]
    assert [of(join(room, GUS), GUS).is_in(line) for line in lines] == [False, True]
    back = lobby.send_back(join(room, GUS), HOST, GUS, proofs={}, now_ms=T0).room
    assert [of(back, GUS).is_in(line) for line in lines] == [False, False]


def test_only_who_ran_out_of_paid_time_is_put_out() -> None:
    room = live(PAID, GUS)
    room = let_in(room, ADA, now_ms=T0 + 5 * MINUTE)
    for _ in range(200):
        due_ms = deadlines.next_due_ms(room)
        assert due_ms is not None
        if due_ms > T0 + 10 * MINUTE:
            break
        room = deadlines.tick(room, proofs=heard(due_ms), now_ms=due_ms).room
    assert (of(room, GUS).end_reason, of(room, ADA).lobby) == ("funding_over", "admitted")
    assert room.state is State.LIVE
    assert meter.billed_ms(room, of(room, GUS), T0 + 20 * MINUTE) == 10 * MINUTE


@pytest.mark.parametrize(
    ("for_ms", "due_minor"), [(2 * MINUTE - 1, 0), (2 * MINUTE, 2_500), (9 * MINUTE, 2_500)]
)
def test_a_flat_price_is_due_after_two_minutes_together(for_ms: int, due_minor: int) -> None:
    room = session.end(
        live(FLAT, GUS), GUS, proofs=dict.fromkeys(map(ConnectionId, ("gus-in", "host-in")), T0 + for_ms),
        now_ms=T0 + for_ms,
    ).room  # fmt: skip
    assert settle(room, of(room, GUS), held=()).subtotal_minor == due_minor


def test_a_host_whose_line_was_silent_is_not_paid_for_it() -> None:
    heard = {ConnectionId("gus-in"): T0 + 5 * MINUTE, ConnectionId("host-in"): T0 + MINUTE}
    room = session.end(live(PAID, GUS), GUS, proofs=heard, now_ms=T0 + 5 * MINUTE).room
    assert settle(room, of(room, GUS), held=()).billed_ms == MINUTE


def test_each_part_goes_on_record_once_and_the_host_at_the_end() -> None:
    room = live(PAID, GUS, ADA)
    left = session.end(room, GUS, proofs={}, now_ms=T0 + 1).room
    assert to_settle(room, left) == [GUS]
    over = session.end(left, HOST, proofs={}, now_ms=T0 + 2).room
    assert to_settle(left, over) == [ADA, HOST]
    assert to_settle(over, session.settle(over, now_ms=T0 + 3).room) == []


def test_one_reads_what_was_said_since_one_came() -> None:
    room = join(lobby.admit(knock(live(), GUS), HOST, GUS, now_ms=T0).room, GUS, seq=7)
    assert of(room, GUS).from_seq == 7
    gone = session.leave(room, ConnectionId("gus-in"), now_ms=T0 + 1).room
    assert of(join(gone, GUS, seq=9), GUS).from_seq == 7


def test_nobody_knocks_before_the_lobby_opens_nor_at_their_own_door_nor_in_a_crowd() -> None:
    later = opened(starts_at_ms=T0 + 3_600_000)
    with pytest.raises(NotLive):
        knock(later, GUS)
    assert of(knock(later, GUS, now_ms=T0 + 3_600_000 - lobby.EARLY_MS), GUS).lobby == "waiting"
    with pytest.raises(NotFound):
        knock(opened(), HOST)
    room = opened()
    for n in range(lobby.WAITING_MAX):
        room = knock(room, UserId(f"g{n}"))
    with pytest.raises(LobbyFull):
        knock(room, GUS)


@pytest.mark.parametrize("decide", [lobby.admit, lobby.deny, partial(lobby.remove, proofs={})])
def test_only_the_host_decides(decide: partial[Change]) -> None:
    room = knock(live(FREE, ADA), GUS)
    for who in (GUS, ADA):
        with pytest.raises(NotFound):
            decide(room, who, GUS, now_ms=T0)
    for whom in (HOST, UserId("nobody")):
        with pytest.raises(NotFound):
            decide(room, HOST, whom, now_ms=T0)


def test_in_a_large_room_guests_listen_and_signal_with_their_host_alone() -> None:
    small, large = live(FREE, GUS, ADA), join(opened(seats=500), HOST)
    large = let_in(let_in(large, GUS), ADA)
    assert media.publishes(small, of(small, GUS))
    assert not media.publishes(large, of(large, GUS))
    assert media.publishes(large, large.practitioner)
    assert media.may_signal(small, of(small, GUS), of(small, ADA))
    assert not media.may_signal(large, of(large, GUS), of(large, ADA))
    assert media.may_signal(large, of(large, GUS), large.practitioner)
