"""A booked session that its guest extends: as far as both calendars allow, and the table of bookings says."""

from functools import partial
from typing import Final

import asyncpg

from hub.errors import Code, Refused
from hub.hub import Hub
from rooms import booked
from rooms.bookings.times import opens_at_ms
from rooms.room import OPEN, Room
from store.postgres import bookings

MINUTE_MS: Final = 60_000


async def lengthen(hub: Hub, room: Room, minutes: int, request_id: str | None) -> None:
    """Before more time is paid for, the time is taken in the calendars. Of other sessions nothing is asked.

    Raises Refused(conflict) where the next booking's lobby would be open by then; nothing is changed then.
    """
    if room.state not in OPEN or room.until_ms is None or _was_asked(room, request_id):
        return
    if room.booked is None:
        # What is not booked ends before a booking, and only more time is paid for, never more is there.
        return
    people = [person.user_id for person in room.people]
    until_ms = room.until_ms + minutes * MINUTE_MS
    async with hub.pool.acquire() as connection, connection.transaction():
        await bookings.lock_calendars(connection, *people)
        after_ms = await bookings.next_start_ms(connection, people, after_ms=room.until_ms, but=room.id)
        if after_ms is not None and opens_at_ms(hub.offer.times, after_ms) < until_ms:
            raise _no_room()
        try:
            await bookings.extend_booking(connection, room.id, until_ms, now_ms=hub.now_ms())
        except asyncpg.ExclusionViolationError:
            raise _no_room() from None
    await hub.live.change(room.id, partial(booked.lengthen, until_ms=until_ms))


def _was_asked(room: Room, request_id: str | None) -> bool:
    """Whether this wish is known already, or one is being paid for: then nothing is taken once more."""
    named = [dict(guest.hold.further.requests) for guest in room.guests if guest.hold is not None]
    waits = any(guest.hold is not None and guest.hold.further.asked is not None for guest in room.guests)
    return waits or (request_id is not None and any(request_id in known for known in named))


def _no_room() -> Refused:
    return Refused(Code.CONFLICT, "Another session is booked after this one, so it cannot last longer.")
