"""How a guest books, and moves what they booked.

What can be refused is refused before anything is written; then the times are looked at once more under the
locks of both calendars, and the table itself refuses what would overlap.
"""

from typing import Final

import asyncpg
import uuid_utils
from msgspec import Struct
from msgspec.structs import replace

from billing import missed, money, price
from hub import eligible
from hub.bookings import calendars, telling
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.leaving import require_staying
from hub.moderation.suspending import require_unsuspended
from hub.money import deal
from hub.requesting import require_nothing_owed
from hub.routes.answer import bad_request, not_found
from hub.safety import blocks
from hub.safety.judging import require_no_open_question
from rooms.bookings import slots, times
from rooms.bookings.hours import Availability
from rooms.ids import SessionId, UserId
from rooms.room import Terms
from store.postgres import availability, bookings, free_time, people
from store.postgres.bookings import Booking
from store.postgres.pool import Transacting
from store.records import Card, Practice

DAY_MS: Final = slots.DAY_MS
BOOKED_MAX: Final = 20
"""Bookings to come of one guest. More would take a practitioner's calendar from all others for nothing."""


class Wanted(Struct, frozen=True):
    """What is to be booked."""

    practitioner_id: UserId
    starts_at_ms: int
    duration_ms: int

    @property
    def ends_at_ms(self) -> int:
        """When it is over."""
        return self.starts_at_ms + self.duration_ms


async def book(hub: Hub, who: Principal, wanted: Wanted, request_id: str) -> Booking:
    """Book; the same `request_id` again gives the same booking.

    Raises Refused with `bad_request`, `not_found`, `blocked`, `conflict`, `payment_required`, `underage`,
    `policy_pending`.
    """
    known = await bookings.requested_booking(hub.pool, who.user_id, request_id)
    if known is not None:
        return known
    require_length(wanted.duration_ms)
    practice, card, hours = await _both_sides(hub, who, wanted.practitioner_id)
    terms = terms_of(hub, practice, wanted.duration_ms)
    if terms.kind != "free" and card is None:
        raise Refused(Code.PAYMENT_REQUIRED, "Save a card first; nothing is charged before the session.")
    booking_id = SessionId(str(uuid_utils.uuid7()))
    free_ms = await deal.granted_ms(hub, practice, who.user_id, card, booking_id)
    try:
        booking = await _insert(
            hub, who.user_id, wanted, request_id, booking_id, replace(terms, free_ms=free_ms), hours
        )
    except BaseException:
        await _give_back(hub, practice, who.user_id, booking_id)
        raise
    if booking.id != booking_id:
        await _give_back(hub, practice, who.user_id, booking_id)
        return booking
    await _follow_up(hub, booking)
    return booking


async def move(hub: Hub, who: Principal, booking: Booking, wanted: Wanted, version: int) -> Booking:
    """To another time, by its guest, for as long as cancelling is free. Price and rate stay as agreed.

    Raises Refused with `bad_request` or `conflict`.
    """
    require_length(wanted.duration_ms)
    now_ms = hub.now_ms()
    if booking.state != "booked" or booking.room_at_ms is not None or now_ms >= booking.free_until_ms:
        raise Refused(Code.CONFLICT, "It is too late to move this booking.")
    hours = await _hours(hub, booking.practitioner_id)
    terms = _agreed(hub, booking.terms, wanted.duration_ms)
    async with hub.pool.acquire() as connection, connection.transaction():
        await bookings.lock_calendars(connection, booking.practitioner_id, booking.guest_id)
        await _require_free(connection, hours, wanted, booking.guest_id, now_ms, but=booking.id)
        try:
            moved = await bookings.move_booking(
                connection,
                booking.id,
                who.user_id,
                version,
                starts_at_ms=wanted.starts_at_ms,
                ends_at_ms=wanted.ends_at_ms,
                cap_minor=terms.cap_minor,
                missed_minor=terms.missed_minor,
                free_until_ms=times.free_until_ms(hub.offer.times, wanted.starts_at_ms, made_at_ms=now_ms),
                due_at_ms=times.room_at_ms(hub.offer.times, wanted.starts_at_ms, free=terms.kind == "free"),
                now_ms=now_ms,
            )
        except asyncpg.ExclusionViolationError:
            raise taken() from None
    if moved is None:
        raise Refused(Code.CONFLICT, "The booking has changed meanwhile; read it again.")
    await _follow_up(hub, moved)
    return moved


def terms_of(hub: Hub, practice: Practice, duration_ms: int) -> Terms:
    """What is agreed for a booking of this length, free time apart. Raises Refused(conflict)."""
    return _agreed(hub, deal.terms(hub, practice, None, free_ms=0), duration_ms)


def _agreed(hub: Hub, terms: Terms, duration_ms: int) -> Terms:
    """The terms with the cap and the fee that follow from the length: never more than the time costs."""
    if terms.kind == "free":
        return replace(terms, cap_minor=0, missed_minor=0)
    whole_minor = terms.rate_minor_per_minute * duration_ms // slots.MINUTE_MS
    cap_minor = money.up(max(whole_minor, price.least_minor(terms)), terms.currency)
    if cap_minor > deal.CAP_MAX_MINOR:
        raise bad_request("duration_s", "that is more than one session may cost")
    capped = replace(terms, cap_minor=cap_minor)
    return replace(capped, missed_minor=missed.fee_minor(capped))


def require_length(duration_ms: int) -> None:
    """Raises Refused(bad_request)."""
    if not slots.is_length(duration_ms):
        raise bad_request("duration_s", "expected a multiple of 300, from 300 to 28800")


def taken() -> Refused:
    """Somebody was faster, or one of the two has something else then."""
    return Refused(Code.CONFLICT, "This time is not free any more; choose another.")


async def _both_sides(
    hub: Hub, who: Principal, practitioner_id: UserId
) -> tuple[Practice, Card | None, Availability]:
    await eligible.to_take_part(hub, who.user_id)
    practice = await people.practice(hub.pool, practitioner_id)
    if practice is None or practice.verified_at_ms is None:
        raise not_found()
    await blocks.require_none(hub.pool, who.user_id, practitioner_id)
    if not practice.transfers_active or not await _is_welcome(hub, practitioner_id):
        raise _no_bookings()
    await require_no_open_question(hub.pool, who.user_id)
    await require_staying(hub.pool, who.user_id)
    await require_nothing_owed(hub, who.user_id)
    return practice, await people.card(hub.pool, who.user_id), await _hours(hub, practitioner_id)


async def _is_welcome(hub: Hub, practitioner_id: UserId) -> bool:
    try:
        await require_unsuspended(hub, practitioner_id)
        await require_staying(hub.pool, practitioner_id)
    except Refused:
        return False
    return True


async def _hours(hub: Hub, practitioner_id: UserId) -> Availability:
    hours = await availability.availability(hub.pool, practitioner_id)
    if hours is None:
        raise _no_bookings()
    return hours


def _no_bookings() -> Refused:
    return Refused(Code.CONFLICT, "This practitioner takes no bookings just now.")


async def _insert(
    hub: Hub,
    guest_id: UserId,
    wanted: Wanted,
    request_id: str,
    booking_id: SessionId,
    terms: Terms,
    hours: Availability,
) -> Booking:
    """The row; of two with one `request_id` both get the first's."""
    now_ms = hub.now_ms()
    try:
        async with hub.pool.acquire() as connection, connection.transaction():
            await bookings.lock_calendars(connection, wanted.practitioner_id, guest_id)
            known = await bookings.requested_booking(connection, guest_id, request_id)
            if known is not None:
                return known
            await _require_free(connection, hours, wanted, guest_id, now_ms)
            if await bookings.booked_ahead(connection, guest_id) >= BOOKED_MAX:
                raise Refused(Code.CONFLICT, f"You have {BOOKED_MAX} bookings, which is as many as can be.")
            made = await bookings.insert_booking(
                connection,
                booking_id,
                wanted.practitioner_id,
                guest_id,
                request_id,
                terms,
                starts_at_ms=wanted.starts_at_ms,
                ends_at_ms=wanted.ends_at_ms,
                buffer_ms=hours.buffer_s * 1000,
                free_until_ms=times.free_until_ms(hub.offer.times, wanted.starts_at_ms, made_at_ms=now_ms),
                due_at_ms=times.room_at_ms(hub.offer.times, wanted.starts_at_ms, free=terms.kind == "free"),
                now_ms=now_ms,
            )
    except asyncpg.ExclusionViolationError:
        raise taken() from None
    if made is None:
        raise taken()
    return made


async def _require_free(
    db: Transacting,
    hours: Availability,
    wanted: Wanted,
    guest_id: UserId,
    now_ms: int,
    *,
    but: SessionId | None = None,
) -> None:
    """Raises Refused: bad_request for a time that is never offered, conflict for one that is taken."""
    at_ms, duration_ms = wanted.starts_at_ms, wanted.duration_ms
    if at_ms <= now_ms:
        raise bad_request("starts_at_ms", "in the past")
    if at_ms >= now_ms + hours.horizon_days * DAY_MS:
        raise bad_request("starts_at_ms", "further ahead than this practitioner can be booked")
    if not slots.is_free(hours, [], at_ms=at_ms, duration_ms=duration_ms, now_ms=now_ms):
        raise bad_request("starts_at_ms", "not one of this practitioner's slots; ask for them")
    booked = await bookings.taken(
        db,
        wanted.practitioner_id,
        guest_id,
        from_ms=at_ms - DAY_MS,
        to_ms=wanted.ends_at_ms + DAY_MS,
        but=but,
    )
    if not slots.is_free(hours, booked, at_ms=at_ms, duration_ms=duration_ms, now_ms=now_ms):
        raise taken()


async def _follow_up(hub: Hub, booking: Booking) -> None:
    """What runs just now gives way to it, and its people are told."""
    opens_ms = times.opens_at_ms(hub.offer.times, booking.starts_at_ms)
    for user_id in (booking.practitioner_id, booking.guest_id):
        await calendars.bound_running(hub.live, hub.people, user_id, booking.id, opens_ms)
    await telling.tell_change(hub.pool, hub.people, booking)


async def _give_back(hub: Hub, practice: Practice, guest_id: UserId, booking_id: SessionId) -> None:
    if practice.free_s:
        await free_time.close_grant(hub.pool, booking_id, guest_id, used=False, now_ms=hub.now_ms())
