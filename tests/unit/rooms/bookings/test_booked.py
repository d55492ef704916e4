"""A booked session until it is live, and who is there at its deadlines, as pure rules."""

from typing import Final

import pytest
from msgspec.structs import replace

from billing import missed, who_pays
from billing.settlement import settle
from rooms import booked, deadlines, departure, session
from rooms.bookings import times
from rooms.bookings.times import Times
from rooms.errors import IllegalTransition, NotFound, NotLive
from rooms.ids import ConnectionId, HubId, SessionId, UserId
from rooms.room import OVER, Limits, Room, State, Terms
from tests.unit.billing.terms import placed

MINUTE_MS: Final = 60_000
START: Final = 100 * MINUTE_MS
END: Final = START + 30 * MINUTE_MS
TIMES: Final = Times()
TERMS: Final = Terms("per_minute", "usd", 300, 0, 2_000, 50, 9_000, missed_minor=3_000)
HOST, GUEST = UserId("host"), UserId("guest")
HUB: Final = HubId("hub")
OPENS: Final = START - TIMES.lobby_ms
MISSED: Final = START + TIMES.no_show_ms


def made(*, terms: Terms = TERMS, at_ms: int = START - TIMES.hold_ms) -> Room:
    return booked.request(
        SessionId("s"),
        practitioner=(HOST, "Host"),
        guest=(GUEST, "Guest"),
        terms=terms,
        limits=Limits(),
        booked=times.booked(
            TIMES, starts_at_ms=START, ends_at_ms=END, free_until_ms=START - TIMES.hold_ms, now_ms=at_ms
        ),
        until_ms=END,
        now_ms=at_ms,
    ).room


def funded(room: Room, at_ms: int = START - 50 * MINUTE_MS) -> Room:
    return session.fund(room, GUEST, ordinal=1, funded_ms=10 * MINUTE_MS, more=True, now_ms=at_ms).room


def opened() -> Room:
    return booked.open_lobby(funded(made()), now_ms=OPENS).room


def enter(room: Room, who: UserId, at_ms: int) -> Room:
    return session.join(room, who, connection=ConnectionId(f"c-{who}-{at_ms}"), hub=HUB, now_ms=at_ms).room


def leave(room: Room, who: UserId, at_ms: int) -> Room:
    person = room.participant(who)
    assert person is not None
    for anchor in person.anchors:
        room = session.leave(room, anchor.connection, now_ms=at_ms).room
    return room


def tick(room: Room, at_ms: int) -> Room:
    """With every socket in the room heard just now."""
    heard = {anchor.connection: at_ms for person in room.people for anchor in person.anchors}
    return deadlines.tick(room, proofs=heard, now_ms=at_ms).room


def test_it_waits_for_money_then_for_its_lobby_then_for_both_and_the_start() -> None:
    room = made()
    assert (room.state, deadlines.next_due_ms(room)) == (State.REQUESTED, START)
    with pytest.raises(NotLive):
        enter(room, GUEST, START - 55 * MINUTE_MS)
    assert booked.open_lobby(room, now_ms=OPENS).room == room
    room = funded(room)
    assert not room.holds_people
    assert deadlines.next_due_ms(room) == MISSED
    assert booked.open_lobby(room, now_ms=OPENS - 1).room == room
    room = booked.open_lobby(room, now_ms=OPENS).room
    assert (room.state, room.holds_people) == (State.WAITING, True)
    room = enter(enter(room, GUEST, OPENS + 1), HOST, OPENS + 2)
    assert (room.state, room.live_at_ms, deadlines.next_due_ms(room)) == (State.WAITING, None, START)
    assert tick(room, START - 1) == room
    room = tick(room, START)
    assert (room.state, room.live_at_ms) == (State.LIVE, START)
    # The money that is held is used up before the booked time.
    assert tick(room, START + 10 * MINUTE_MS).end_reason == "funding_over"


def test_who_comes_late_makes_it_live_at_once_and_it_ends_as_booked() -> None:
    free = Terms("free", "usd", 0, 0, 0, 0, 0)
    room = booked.open_lobby(made(terms=free), now_ms=OPENS).room
    room = enter(enter(room, GUEST, OPENS + 1), HOST, START + 7)
    assert (room.state, room.live_at_ms) == (State.LIVE, START + 7)
    warned = []
    for minutes in (5, 2, 1):
        change = deadlines.tick(room, now_ms=END - minutes * MINUTE_MS)
        room = change.room
        warned += [type(fact).__name__ for fact in change.news]
    assert warned == ["MeterWarned"] * 3
    room = tick(room, END)
    assert (room.state, room.end_reason, room.ended_at_ms) == (State.ENDED, "booked_time_over", END)
    assert who_pays.row("booked_time_over").time == "billed"


@pytest.mark.parametrize(
    ("host", "guest", "reason"),
    [
        ((OPENS, None), None, "guest_no_show"),
        ((START, None), None, "guest_no_show"),
        ((START + MINUTE_MS, None), None, "guest_no_show"),
        # Late himself, gone in between, or gone before the end of waiting: it is not clear enough.
        ((START + 3 * MINUTE_MS, None), None, "nobody_came"),
        ((OPENS, START + 5 * MINUTE_MS), None, "nobody_came"),
        # In the lobby before, and never again.
        ((OPENS, None), (OPENS, START - MINUTE_MS), "guest_no_show"),
        (None, (OPENS, None), "practitioner_no_show"),
        (None, (START + 9 * MINUTE_MS, None), "practitioner_no_show"),
        ((OPENS, START - MINUTE_MS), (START - MINUTE_MS, None), "practitioner_no_show"),
        (None, (OPENS, START - MINUTE_MS), "nobody_came"),
        (None, None, "nobody_came"),
        ((START, START + MINUTE_MS), (START + 2 * MINUTE_MS, START + 3 * MINUTE_MS), "nobody_came"),
    ],
)
def test_who_did_not_come_follows_from_presence(
    host: tuple[int, int | None] | None, guest: tuple[int, int | None] | None, reason: str
) -> None:
    steps = [
        (at_ms, change, who)
        for who, span in ((HOST, host), (GUEST, guest))
        if span is not None
        for at_ms, change in ((span[0], enter), (span[1], leave))
        if at_ms is not None
    ]
    room = opened()
    for at_ms, change, who in sorted(steps, key=lambda step: step[0]):
        room = change(room, who, at_ms)
    room = tick(room, MISSED)
    assert (room.state, room.end_reason) == (State.CANCELLED, reason)
    bill = settle(room, room.guests[0], held=(placed(1, 3_000),), destination="acct_1")
    assert bill.total_minor == (3_000 if reason == "guest_no_show" else 0)


def test_a_socket_that_is_silent_proves_nothing() -> None:
    room = enter(opened(), HOST, OPENS)
    anchor = room.practitioner.anchors[0].connection
    over = deadlines.tick(room, proofs={anchor: START + MINUTE_MS}, now_ms=MISSED).room
    assert over.end_reason == "nobody_came"
    assert deadlines.needs_proofs(room)


@pytest.mark.parametrize(
    ("at_ms", "who", "reason", "fee_minor"),
    [
        (START - 60 * MINUTE_MS - 1, GUEST, "booking_cancelled_early", 0),
        (START - 60 * MINUTE_MS, GUEST, "booking_cancelled_late", 3_000),
        (START - 1, GUEST, "booking_cancelled_late", 3_000),
        (START - 60 * MINUTE_MS - 1, HOST, "booking_cancelled_by_practitioner", 0),
        (START + MINUTE_MS, HOST, "booking_cancelled_by_practitioner", 0),
        (START + MINUTE_MS, GUEST, "practitioner_no_show", 0),
    ],
)
def test_cancelling(at_ms: int, who: UserId, reason: str, fee_minor: int) -> None:
    room = funded(made(at_ms=0), 1)
    room = booked.open_lobby(room, now_ms=at_ms).room if at_ms >= OPENS else room
    over = booked.cancel(room, who, now_ms=at_ms).room
    assert (over.state, over.end_reason) == (State.CANCELLED, reason)
    assert booked.cancel(over, who, now_ms=at_ms).room == over
    bill = settle(over, over.guests[0], held=(placed(1, 3_000),), destination="acct_1")
    assert (bill.total_minor, bill.kind) == (fee_minor, "missed" if fee_minor else "time")
    assert bill.fee_minor == fee_minor // 5
    assert sum(entry.amount_minor for entry in bill.ledger) == 0
    unfunded = settle(replace(over, guests=(replace(over.guests[0], hold=None),)), over.guests[0], held=())
    assert unfunded.total_minor == 0


def test_a_guest_whose_practitioner_is_there_pays_for_leaving() -> None:
    room = enter(opened(), HOST, START)
    assert booked.cancel(room, GUEST, now_ms=START + MINUTE_MS).room.end_reason == "booking_cancelled_late"


def test_without_an_agreed_fee_nothing_is_charged_for_missing() -> None:
    room = tick(enter(replace(opened(), terms=replace(TERMS, missed_minor=0)), HOST, OPENS), MISSED)
    assert room.end_reason == "guest_no_show"
    bill = settle(room, room.guests[0], held=(placed(1, 3_000),))
    assert (bill.total_minor, bill.kind) == (0, "time")


def test_the_events_of_a_session_do_the_same() -> None:
    waiting = opened()
    assert session.cancel(waiting, GUEST, now_ms=START - 5).room.end_reason == "booking_cancelled_late"
    assert session.end(waiting, GUEST, proofs={}, now_ms=START - 5).room.end_reason == (
        "booking_cancelled_late"
    )
    for decide in (session.decline,):
        over = decide(waiting, HOST, now_ms=START - 5).room
        assert over.end_reason == "booking_cancelled_by_practitioner"
    with pytest.raises(IllegalTransition):
        session.accept(made(), HOST, now_ms=START)
    live = enter(enter(waiting, HOST, START), GUEST, START)
    for refused in (booked.cancel, session.cancel):
        with pytest.raises(IllegalTransition):
            refused(live, GUEST, now_ms=START + 1)
    with pytest.raises(NotFound):
        booked.cancel(waiting, UserId("stranger"), now_ms=START)


def test_money_that_is_not_held_by_the_start_ends_it_free_of_charge() -> None:
    room = made()
    asking = session.await_confirmation(room, GUEST, url="https://bank", now_ms=START - 9).room
    declined = session.decline_hold(asking, GUEST, now_ms=START - 8).room
    assert declined.state is State.REQUESTED
    again = booked.hold_again(declined, GUEST, now_ms=START - 7).room
    assert again.guests[0].hold is not None
    assert again.guests[0].hold.status == "pending"
    for unheld in (room, asking, declined, again):
        over = tick(unheld, START)
        assert (over.state, over.end_reason) == (State.CANCELLED, "booking_not_held")
        assert settle(over, over.guests[0], held=()).total_minor == 0
    assert tick(funded(again), START).state is State.REQUESTED
    assert tick(funded(again), MISSED).end_reason == "not_opened"


def test_an_instant_session_ends_when_a_lobby_opens() -> None:
    room = session.request(
        SessionId("i"),
        practitioner=(HOST, "Host"),
        guest=(GUEST, "Guest"),
        terms=replace(TERMS, missed_minor=0),
        limits=Limits(),
        until_ms=20 * MINUTE_MS,
        now_ms=0,
    ).room
    room = session.accept(funded(room, 1), HOST, now_ms=2).room
    room = enter(enter(room, HOST, 3), GUEST, 4)
    room = session.fund(room, GUEST, ordinal=2, funded_ms=60 * MINUTE_MS, now_ms=5).room
    assert room.until_ms == 20 * MINUTE_MS
    room = session.bound(room, 10 * MINUTE_MS, now_ms=6).room
    assert session.bound(room, 15 * MINUTE_MS, now_ms=7).room.until_ms == 10 * MINUTE_MS
    change = deadlines.tick(room, now_ms=5 * MINUTE_MS)
    assert [type(fact).__name__ for fact in change.news] == ["MeterWarned"]
    over = tick(change.room, 10 * MINUTE_MS)
    assert (over.state, over.end_reason) == (State.ENDED, "next_booking")
    assert who_pays.row("next_booking").time == "billed"


def test_longer_only_ever_gets_longer() -> None:
    live = enter(enter(opened(), HOST, START), GUEST, START)
    longer = booked.lengthen(live, END + MINUTE_MS, now_ms=START + 1).room
    assert longer.until_ms == END + MINUTE_MS
    assert booked.lengthen(longer, END, now_ms=START + 2).room == longer
    over = departure.close(longer, State.ENDED, "ended_by_guest", now_ms=START + 3).room
    assert over.state in OVER
    assert booked.lengthen(over, END + 2 * MINUTE_MS, now_ms=START + 4).room == over


def test_the_fee_is_ten_minutes_and_never_more_than_is_held_or_booked() -> None:
    def fee(rate: int, minutes: int, *, hold_minutes: int = 10) -> int:
        terms = Terms("per_minute", "usd", rate, 0, 0, 50, max(50, rate * minutes), hold_minutes=hold_minutes)
        return missed.fee_minor(terms)

    assert fee(300, 60) == 3_000
    assert fee(300, 5) == 1_500
    assert fee(300, 60, hold_minutes=4) == 1_200
    assert fee(1, 60) == 0  # Ten cents cannot be charged.
    assert missed.fee_minor(Terms("free", "usd", 0, 0, 0, 0, 0)) == 0


def test_nobody_waits_longer_than_what_is_booked_lasts() -> None:
    end = START + TIMES.no_show_ms // 2
    short = times.booked(TIMES, starts_at_ms=START, ends_at_ms=end, free_until_ms=START, now_ms=START)
    assert (short.missed_at_ms, short.held_by_ms) == (end, end)
