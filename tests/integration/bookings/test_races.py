"""Two bookings right after each other, and what changes between being due and being claimed."""

import pytest

from rooms.room import State as RoomState
from store.postgres import bookings
from tests.integration.bookings.office import HOUR_MS, MINUTE_MS, Office
from tests.integration.bookings.parts import TIMES


async def test_a_booked_session_is_not_cut_short_by_the_lobby_of_the_next(office: Office) -> None:
    host = await office.person("practitioner")
    first = await office.book(starts_in_ms=MINUTE_MS, minutes=5, rate_minor=0, host=host)
    second = await office.book(starts_in_ms=6 * MINUTE_MS, minutes=30, rate_minor=0, host=host)
    await office.run(3)
    assert (await office.room(first)).state is RoomState.WAITING
    assert (await office.room(first)).until_ms == first.ends_at_ms
    assert await office.people.held_by(host) == first.id
    assert (await office.room(second)).state is RoomState.REQUESTED


async def test_what_was_moved_after_it_was_due_is_not_claimed(office: Office) -> None:
    booking = await office.book(starts_in_ms=TIMES.hold_ms)
    (due,) = await bookings.due_bookings(office.pool, now_ms=office.now_ms(), limit=5, lease_ms=10_000)
    later_ms = booking.starts_at_ms + 24 * 14 * HOUR_MS
    await office.owner.execute("update bookings set free_until_ms = $2 where id = $1", due.id, later_ms)
    moved = await bookings.move_booking(
        office.pool,
        due.id,
        due.guest_id,
        due.version,
        starts_at_ms=later_ms,
        ends_at_ms=later_ms + HOUR_MS,
        cap_minor=due.cap_minor,
        missed_minor=due.missed_minor,
        free_until_ms=later_ms - TIMES.hold_ms,
        due_at_ms=later_ms - TIMES.hold_ms,
        now_ms=office.now_ms(),
    )
    assert moved is not None
    await office.duty()._look(due)
    assert (await office.now(booking)).room_at_ms is None
    assert await office.holds(booking) == []


@pytest.mark.parametrize(
    ("lost", "rate_minor", "goes_on"),
    [
        ("transfers_active = false", 300, False),
        ("transfers_active = false", 0, True),
        ("verified_at_ms = null", 0, False),
    ],
)
async def test_who_is_no_practitioner_any_more_holds_no_session(
    office: Office, lost: str, rate_minor: int, goes_on: bool
) -> None:
    far = await office.book(starts_in_ms=9 * HOUR_MS, rate_minor=rate_minor)
    near = await office.book(starts_in_ms=5 * MINUTE_MS, rate_minor=rate_minor, host=far.practitioner_id)
    await office.owner.execute(f"update practices set {lost} where practitioner_id = $1", far.practitioner_id)
    await office.run(2)
    room = await office.room(near)
    assert (room.end_reason is None) == goes_on
    assert goes_on or room.end_reason == "booking_called_off"
    # There is time to put it right.
    assert (await office.now(far)).state == "booked"


async def test_who_may_be_a_minor_waits_for_somebody_to_look(office: Office) -> None:
    booking = await office.book(starts_in_ms=5 * MINUTE_MS, rate_minor=0)
    await office.run()
    assert (await office.room(booking)).state is RoomState.WAITING
    await office.owner.execute(
        "insert into flags (id, session_id, user_id, category, severity, rule, rule_version, verdict, source,"
        " due_by_ms, created_at_ms, updated_at_ms)"
        " values ($1, $1, $2, 'minor', 'high', 'r', '1', 'flag', 'rule', 0, 0, 0)",
        booking.id,
        booking.guest_id,
    )
    await office.run(2)
    assert (await office.room(booking)).end_reason == "booking_called_off"
