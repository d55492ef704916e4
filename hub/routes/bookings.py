"""Bookings as their two people see them: booked, moved, cancelled, and as an entry of a calendar."""

from typing import Annotated, Literal

import msgspec
import uuid_utils
from aiohttp import web
from msgspec import UNSET, Meta, UnsetType

from hub import wire
from hub.bookings import cancelling, making, offering
from hub.bookings.making import Wanted
from hub.edge.auth import Principal
from hub.hub import Hub
from hub.routes.answer import Route, bad_request, body, cursor, limit, not_found, path_id, query
from hub.routes.availability import MOMENT_MAX_MS, moment
from hub.routes.profile import Version
from rooms.ids import SessionId, UserId
from store.postgres import bookings
from store.postgres.bookings import Booking, OwnBooking
from store.postgres.pool import acting_as
from store.privacy.bindings import booking_aad
from store.privacy.keys import ShreddedError

Moment = Annotated[int, Meta(ge=0, le=MOMENT_MAX_MS)]
Duration = Annotated[int, Meta(ge=1, le=31_536_000)]


class Book(wire.Body, frozen=True):
    """What to book. With a `request_id` it may be repeated safely."""

    practitioner_id: wire.Uuid
    starts_at_ms: Moment
    duration_s: Duration
    request_id: wire.Handle | None = None


class MoveBooking(wire.Body, frozen=True):
    """Another time for what is booked, by its guest. `version` is that of the booking as it was read."""

    starts_at_ms: Moment
    version: Version
    duration_s: Duration | UnsetType = UNSET


class CancelBooking(wire.Body, frozen=True):
    """Why, for the other one to read."""

    reason: wire.FreeText | None = None


class BookingView(msgspec.Struct, frozen=True):
    """A booking. Its session has the same id once there is one.

    Until `free_until_ms` the guest cancels free of charge; after that, or for not coming, `missed_minor` is
    charged from what is held. `deal` says so in words, by language. `reason` is what was said with the
    cancellation, null once its writer was erased.
    """

    id: str
    practitioner: wire.Named
    guest: wire.Named
    starts_at_ms: int
    ends_at_ms: int
    duration_s: int
    state: Literal["booked", "started", "done", "missed", "cancelled"]
    version: int
    price: wire.Price
    missed_minor: int
    free_until_ms: int
    deal: dict[str, str]
    created_at_ms: int
    ended_at_ms: int | None
    end_reason: str | None
    reason: str | None
    reason_by: str | None


class BookingList(msgspec.Struct, frozen=True):
    """A page of one's bookings, the next one first."""

    items: list[BookingView]
    cursor: str | None


async def book(hub: Hub, who: Principal, request: web.Request) -> BookingView:
    """`POST /v1/bookings`: books one of the practitioner's free slots, on the terms that hold now."""
    query(request, ())
    asked = await body(request, Book)
    wanted = Wanted(UserId(asked.practitioner_id), asked.starts_at_ms, asked.duration_s * 1000)
    made = await making.book(hub, who, wanted, asked.request_id or str(uuid_utils.uuid7()))
    return await _told(hub, who, made.id)


async def own(hub: Hub, who: Principal, request: web.Request) -> BookingList:
    """`GET /v1/bookings`: one's bookings that end after `from_ms` (now), and begin before `to_ms`."""
    given = query(request, ("from_ms", "to_ms", "cursor", "limit"))
    size, after = limit(given), cursor(given)
    from_ms = moment(given, "from_ms") if "from_ms" in given else hub.now_ms()
    to_ms = moment(given, "to_ms") if "to_ms" in given else None
    async with acting_as(hub.pool, who.user_id) as connection:
        last = None if after is None else await bookings.own_booking(connection, SessionId(after))
        if after is not None and last is None:
            raise bad_request("cursor", "not one of ours")
        found = await bookings.own_bookings(
            connection,
            from_ms=from_ms,
            to_ms=to_ms,
            after=None if last is None else (last.starts_at_ms, last.id),
            limit=size,
        )
    items = [await _view(hub, one) for one in found]
    return BookingList(items, items[-1].id if len(items) == size else None)


async def one(hub: Hub, who: Principal, request: web.Request) -> BookingView:
    """`GET /v1/bookings/{id}`."""
    query(request, ())
    return await _told(hub, who, SessionId(path_id(request, "id")))


async def move(hub: Hub, who: Principal, request: web.Request) -> BookingView:
    """`PATCH /v1/bookings/{id}`: to another time, by its guest, for as long as cancelling is free."""
    query(request, ())
    booking = await _of(hub, who, request)
    asked = await body(request, MoveBooking)
    before_ms = booking.ends_at_ms - booking.starts_at_ms
    duration_ms = before_ms if asked.duration_s is UNSET else asked.duration_s * 1000
    wanted = Wanted(booking.practitioner_id, asked.starts_at_ms, duration_ms)
    await making.move(hub, who, booking, wanted, asked.version)
    return await _told(hub, who, booking.id)


async def cancel(hub: Hub, who: Principal, request: web.Request) -> BookingView:
    """`DELETE /v1/bookings/{id}`: by either side, before it is live. Repeated, it changes nothing."""
    query(request, ())
    booking = await _of(hub, who, request)
    asked = await body(request, CancelBooking) if request.can_read_body else CancelBooking()
    await cancelling.cancel(hub, who.user_id, booking, asked.reason)
    return await _told(hub, who, booking.id)


async def _of(hub: Hub, who: Principal, request: web.Request) -> Booking:
    """The booking of the path, if who asks is one of its two. Raises Refused(not_found)."""
    booking = await bookings.booking(hub.pool, SessionId(path_id(request, "id")))
    if booking is None or who.user_id not in (booking.practitioner_id, booking.guest_id):
        raise not_found()
    return booking


async def _told(hub: Hub, who: Principal, booking_id: SessionId) -> BookingView:
    async with acting_as(hub.pool, who.user_id) as connection:
        found = await bookings.own_booking(connection, booking_id)
    if found is None:
        raise not_found()
    return await _view(hub, found)


async def _view(hub: Hub, found: OwnBooking) -> BookingView:
    price = wire.Price(
        found.price_kind,
        found.rate_minor_per_minute,
        found.currency,
        found.free_ms // 1000,
        found.minimum_minor,
        found.cap_minor,
    )
    return BookingView(
        id=found.id,
        practitioner=wire.Named(found.practitioner_id, found.practitioner_name),
        guest=wire.Named(found.guest_id, found.guest_name),
        starts_at_ms=found.starts_at_ms,
        ends_at_ms=found.ends_at_ms,
        duration_s=(found.ends_at_ms - found.starts_at_ms) // 1000,
        state=found.state,
        version=found.version,
        price=price,
        missed_minor=found.missed_minor,
        free_until_ms=found.free_until_ms,
        deal=offering.in_words(hub, found),
        created_at_ms=found.created_at_ms,
        ended_at_ms=found.ended_at_ms,
        end_reason=found.end_reason,
        reason=await _reason(hub, found),
        reason_by=found.reason_by,
    )


async def _reason(hub: Hub, found: OwnBooking) -> str | None:
    if found.reason is None or found.reason_by is None:
        return None
    try:
        key = await hub.keyring.load(found.reason_by)
    except ShreddedError:
        return None
    return key.open(booking_aad(found.id), found.reason).decode()


ROUTES = [
    Route("POST", "/v1/bookings", BookingView, book, Book),
    Route("GET", "/v1/bookings", BookingList, own),
    Route("GET", "/v1/bookings/{id}", BookingView, one),
    Route("PATCH", "/v1/bookings/{id}", BookingView, move, MoveBooking),
    Route("DELETE", "/v1/bookings/{id}", BookingView, cancel, CancelBooking),
]
