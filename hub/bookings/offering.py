"""What can be booked of a practitioner, and what is agreed by it, in words before it is."""

from typing import Final

from msgspec import Struct

from billing import money
from hub.bookings import making
from hub.edge.auth import Principal
from hub.hub import Hub
from hub.routes.answer import not_found
from hub.words import LANGUAGES, WORDS
from rooms.bookings import slots
from rooms.ids import UserId
from rooms.room import Terms
from store.postgres import availability, bookings, people
from store.postgres.bookings import OwnBooking

SOON_MS: Final = 14 * slots.DAY_MS
"""How far ahead the next free slot is looked for."""


class Offered(Struct, frozen=True):
    """Free starts, the zone they were given in, and the terms of a booking of that length."""

    zone: str | None
    terms: Terms
    starts: list[int]


async def offered(
    hub: Hub, who: Principal, practitioner_id: UserId, *, from_ms: int, to_ms: int, duration_ms: int
) -> Offered:
    """For somebody who asks. Raises Refused: not_found, bad_request for a length that nobody books."""
    making.require_length(duration_ms)
    practice = await people.practice(hub.pool, practitioner_id)
    if practice is None or practice.verified_at_ms is None:
        raise not_found()
    if practitioner_id in await hub.blocks.of(who.user_id):
        raise not_found()
    terms = making.terms_of(hub, practice, duration_ms)
    hours = await availability.availability(hub.pool, practitioner_id)
    if hours is None or not practice.transfers_active:
        return Offered(None if hours is None else hours.zone, terms, [])
    guest_id = who.user_id if who.role == "guest" else None
    booked = await bookings.taken(
        hub.pool,
        practitioner_id,
        guest_id,
        from_ms=from_ms - slots.DAY_MS,
        to_ms=to_ms + 2 * slots.DAY_MS,
    )
    starts = slots.free(
        hours, booked, from_ms=from_ms, to_ms=to_ms, duration_ms=duration_ms, now_ms=hub.now_ms()
    )
    return Offered(hours.zone, terms, starts)


async def next_slot_ms(hub: Hub, practitioner_id: UserId) -> int | None:
    """When the practitioner is free next, for as long as their slots are apart; None within two weeks."""
    hours = await availability.availability(hub.pool, practitioner_id)
    if hours is None:
        return None
    now_ms = hub.now_ms()
    to_ms = now_ms + SOON_MS
    booked = await bookings.taken(
        hub.pool, practitioner_id, None, from_ms=now_ms - slots.DAY_MS, to_ms=to_ms + slots.DAY_MS
    )
    length_ms = min(hours.slot_s * 1000, slots.DURATION_MAX_MS)
    found = slots.free(hours, booked, from_ms=now_ms, to_ms=to_ms, duration_ms=length_ms, now_ms=now_ms)
    return found[0] if found else None


def in_words(hub: Hub, terms: Terms | OwnBooking) -> dict[str, str]:
    """What is agreed, in each language."""
    code = "deal" if terms.missed_minor else "deal_without_fee"
    if terms.cap_minor == 0:
        code = "deal_free"
    given = {
        "hold_minutes": terms.hold_minutes,
        "hold_minutes_before": hub.offer.times.hold_ms // slots.MINUTE_MS,
        "fee": money.show(terms.missed_minor, terms.currency),
    }
    return {str(language): WORDS[language].bookings[code].format(**given) for language in LANGUAGES}
