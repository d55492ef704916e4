"""What people are told about their bookings: by `notice`, wherever they are connected.

A booking counts its versions, and which of them its people were told of. Whoever changes one tells of it at
once; the duty tells of what somebody left who died in between. Twice is harmless, never is not.
"""

from typing import Final

import asyncpg
import msgpack
from msgspec import UNSET

from hub import in_app
from hub.outbound import Notice
from hub.words import WORDS, Language
from rooms.ids import UserId
from store.postgres import bookings
from store.postgres.bookings import Booking
from store.redis.people import People

GUESTS: Final = frozenset({"booking_cancelled_early", "booking_cancelled_late"})
"""Ends that the guest brought about, and so need not be told of."""
OWN: Final = frozenset({"booking_cancelled_by_practitioner"})
"""The same of the practitioner."""


async def tell_change(pool: asyncpg.Pool, people: People, booking: Booking) -> None:
    """Tell of a booking as it is now, and note that it was told."""
    code = code_of(booking)
    for user_id in concerned(booking):
        await tell(people, user_id, booking, code)
    await bookings.told(pool, booking.id, booking.version)


async def tell(
    people: People, user_id: UserId, booking: Booking, code: str, *, url: str | None = None
) -> None:
    """One person, by the code of one of `bookings` in `hub/words`."""

    def said(language: Language) -> Notice:
        return Notice(
            code,
            WORDS[language].bookings[code],
            booking_id=booking.id,
            starts_at_ms=booking.starts_at_ms,
            url=UNSET if url is None else url,
        )

    await people.publish(user_id, msgpack.packb([in_app.IN_APP, in_app.packed(said)]))


def code_of(booking: Booking) -> str:
    """What is said of it."""
    if booking.state in bookings.OPEN:
        return "booking_made" if booking.version == 1 else "booking_moved"
    known = WORDS["en"].bookings
    return booking.end_reason if booking.end_reason in known else "booking_called_off"


def concerned(booking: Booking) -> list[UserId]:
    """Whom it is news for."""
    if booking.state in bookings.OPEN or booking.end_reason in GUESTS:
        return [booking.practitioner_id]
    if booking.end_reason in OWN:
        return [booking.guest_id]
    return [booking.practitioner_id, booking.guest_id]
