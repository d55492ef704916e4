"""What the platform does when a booking cannot take place: nobody pays, and both are told."""

from collections.abc import Callable

import asyncpg

from hub.bookings import telling
from hub.live import Live
from rooms import booked
from rooms.departure import Proofs
from rooms.errors import NotFound
from rooms.ids import UserId
from rooms.news import Change
from rooms.room import Room
from store.postgres import bookings, free_time
from store.postgres.bookings import Booking
from store.redis.people import People

PAGE = 100


async def call_off(
    pool: asyncpg.Pool, people: People, booking: Booking, because: str, *, now_ms: int
) -> bool:
    """End a booking that never had a room, and tell its people; False when it has one, or is over."""
    over = await end_without_room(pool, booking, because, now_ms=now_ms)
    if over is not None:
        await telling.tell_change(pool, people, over)
    return over is not None


async def end_without_room(
    pool: asyncpg.Pool, booking: Booking, because: str, *, now_ms: int
) -> Booking | None:
    """End it on record, its free time given back; None when it has a room, or is over."""
    async with pool.acquire() as connection, connection.transaction():
        over = await bookings.cancel_booking(connection, booking.id, because, now_ms=now_ms)
        if over is not None:
            await free_time.close_grant(connection, booking.id, booking.guest_id, used=False, now_ms=now_ms)
    return over


async def call_off_all(
    pool: asyncpg.Pool, live: Live, people: People, user_id: UserId, *, now_ms: Callable[[], int]
) -> int:
    """All that somebody who is leaving has booked, or is booked for; how many there were. Repeatable."""
    found = await bookings.bookings_of(pool, user_id, limit=PAGE)
    for booking in found:
        if not await call_off(pool, people, booking, "booking_called_off", now_ms=now_ms()):
            await call_off_room(live, booking)
    return len(found)


async def call_off_room(live: Live, booking: Booking) -> None:
    """The same of a booking that has a room, unless it is live or over; it is told as its session is."""
    try:
        await live.change_with_proofs(booking.id, _decide)
    except NotFound:
        # Its room is not made yet, and will be by the duty, which looks at it again; or it is on record.
        return


def _decide(room: Room, proofs: Proofs, now_ms: int) -> Change:
    return booked.call_off(room, "booking_called_off", proofs=proofs, now_ms=now_ms)
