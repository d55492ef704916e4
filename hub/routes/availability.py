"""When a practitioner can be booked: the hours they give, and the free starts that guests see of them."""

from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from hub import wire
from hub.bookings import offering
from hub.edge.auth import Principal
from hub.hub import Hub
from hub.routes.answer import Route, bad_request, body, not_found, path_id, query
from hub.routes.profile import stale
from rooms.bookings import hours, slots
from rooms.bookings.hours import EXCEPTIONS_MAX, ROWS_MAX, Day, UnfitHours, Weekly
from rooms.ids import UserId
from store.postgres import availability as rows
from store.postgres import people
from store.postgres.pool import acting_as

DAY_S: Final = 86_400
MOMENT_MAX_MS: Final = 2**48


class SetAvailability(wire.Body, frozen=True):
    """When one can be booked from now on. `version` is that of the hours it was made on, 0 for the first.

    `weekly` is by the wall clock of `zone`; a date in `exceptions` has its own hours instead, or none.
    """

    zone: Annotated[str, Meta(min_length=1, max_length=64)]
    weekly: Annotated[list[Weekly], Meta(max_length=ROWS_MAX)]
    exceptions: Annotated[list[Day], Meta(max_length=EXCEPTIONS_MAX)]
    notice_s: Annotated[int, Meta(ge=0, le=30 * DAY_S)]
    horizon_days: Annotated[int, Meta(ge=1, le=366)]
    slot_s: Annotated[int, Meta(ge=hours.STEP_S, le=DAY_S)]
    buffer_s: Annotated[int, Meta(ge=0, le=DAY_S)]
    version: Annotated[int, Meta(ge=0, le=2**31 - 2)]


class Availability(msgspec.Struct, frozen=True):
    """When one can be booked. Without any hours yet, `version` is 0."""

    zone: str
    weekly: list[Weekly]
    exceptions: list[Day]
    notice_s: int
    horizon_days: int
    slot_s: int
    buffer_s: int
    version: int


class Slot(msgspec.Struct, frozen=True):
    """A time that can be booked."""

    starts_at_ms: int
    ends_at_ms: int


class Slots(msgspec.Struct, frozen=True):
    """Free times, and what is agreed by booking one; `deal` says that in words, by language.

    `cap_minor` is the most that is charged, `missed_minor` what is charged for not coming, or for cancelling
    later than `free_cancel_s` before the start.
    """

    practitioner_id: str
    zone: str | None
    currency: str
    rate_minor_per_minute: int
    cap_minor: int
    missed_minor: int
    free_cancel_s: int
    deal: dict[str, str]
    items: list[Slot]
    cursor: str | None = None


NONE_YET: Final = Availability(
    zone="UTC",
    weekly=[],
    exceptions=[],
    notice_s=4 * 3_600,
    horizon_days=60,
    slot_s=1_800,
    buffer_s=0,
    version=0,
)


async def show(hub: Hub, who: Principal, request: web.Request) -> Availability:
    """`GET /v1/me/availability`."""
    query(request, ())
    async with acting_as(hub.pool, who.user_id) as connection:
        own = await rows.own_availability(connection, who.user_id)
    return NONE_YET if own is None else msgspec.convert(own, Availability, from_attributes=True)


async def change(hub: Hub, who: Principal, request: web.Request) -> Availability:
    """`PUT /v1/me/availability`: all of it anew. What is booked already stays booked."""
    query(request, ())
    asked = await body(request, SetAvailability)
    wanted = hours.Availability(**msgspec.structs.asdict(asked))
    try:
        hours.check(wanted)
    except UnfitHours as error:
        raise bad_request(error.field, str(error)) from None
    if await people.practice(hub.pool, who.user_id) is None:
        raise not_found()
    version = await rows.save_availability(hub.pool, who.user_id, wanted, now_ms=hub.now_ms())
    if version is None:
        raise stale()
    return msgspec.convert(
        msgspec.structs.replace(wanted, version=version), Availability, from_attributes=True
    )


async def free(hub: Hub, who: Principal, request: web.Request) -> Slots:
    """`GET /v1/practitioners/{id}/slots`: free starts between two moments, 62 days apart at most."""
    given = query(request, ("from_ms", "to_ms", "duration_s"))
    practitioner_id = UserId(path_id(request, "id"))
    from_ms, to_ms = moment(given, "from_ms"), moment(given, "to_ms")
    if not from_ms < to_ms <= from_ms + slots.RANGE_MAX_MS:
        raise bad_request("to_ms", "expected a time after from_ms, 62 days later at most")
    duration_ms = number(given, "duration_s", most=DAY_S) * 1000
    offered = await offering.offered(
        hub, who, practitioner_id, from_ms=from_ms, to_ms=to_ms, duration_ms=duration_ms
    )
    return Slots(
        practitioner_id=practitioner_id,
        zone=offered.zone,
        currency=offered.terms.currency,
        rate_minor_per_minute=offered.terms.rate_minor_per_minute,
        cap_minor=offered.terms.cap_minor,
        missed_minor=offered.terms.missed_minor,
        free_cancel_s=hub.offer.times.hold_ms // 1000,
        deal=offering.in_words(hub, offered.terms),
        items=[Slot(at_ms, at_ms + duration_ms) for at_ms in offered.starts],
    )


def moment(given: dict[str, str], name: str) -> int:
    """A time in Unix milliseconds. Raises Refused(bad_request)."""
    return number(given, name, most=MOMENT_MAX_MS)


def number(given: dict[str, str], name: str, *, most: int) -> int:
    """A whole number of the query. Raises Refused(bad_request)."""
    value = given.get(name, "")
    if not (value.isascii() and value.isdigit() and len(value) <= 15 and int(value) <= most):
        raise bad_request(name, f"expected a whole number up to {most}")
    return int(value)


ROUTES = [
    Route("GET", "/v1/me/availability", Availability, show),
    Route("PUT", "/v1/me/availability", Availability, change, SetAvailability),
    Route("GET", "/v1/practitioners/{id}/slots", Slots, free),
]
