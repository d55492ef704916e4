"""Bookings for people's own calendars: one to keep, or all at a private address that programs can read.

Whoever has the address reads names and times, so it is long, shown once, kept as a digest alone, and can be
made anew or taken back.
"""

import hashlib
import re
import secrets
from typing import Final
from urllib.parse import urlsplit

import msgspec
from aiohttp import web

from hub import wire
from hub.bookings.icalendar import Entry, calendar
from hub.edge.auth import Principal
from hub.hub import Hub
from hub.routes.answer import Route, body, not_found, path_id, query
from hub.words import WORDS, Language
from rooms.ids import SessionId, UserId
from store.postgres import bookings, people
from store.postgres.bookings import OwnBooking
from store.postgres.pool import acting_as

TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}")
PAST_MS: Final = 30 * 86_400_000
"""How much of the past a feed shows."""
ENTRIES_MAX: Final = 500
TYPE: Final = "text/calendar"


class CalendarLink(msgspec.Struct, frozen=True):
    """The private address of one's calendar. It is told this once; a new one ends it."""

    url: str


async def one(hub: Hub, who: Principal, request: web.Request) -> web.StreamResponse:
    """`GET /v1/bookings/{id}/calendar.ics`: one booking."""
    query(request, ())
    async with acting_as(hub.pool, who.user_id) as connection:
        found = await bookings.own_booking(connection, SessionId(path_id(request, "id")))
    if found is None:
        raise not_found()
    return await _answer(hub, who.user_id, [found], name=f"{found.id}.ics")


async def make_link(hub: Hub, who: Principal, request: web.Request) -> CalendarLink:
    """`POST /v1/me/calendar-link`: a private address of one's calendar; the one before ends."""
    query(request, ())
    if request.can_read_body:
        await body(request, wire.Nothing)
    if await people.person(hub.pool, who.user_id) is None:
        raise not_found()
    token = secrets.token_urlsafe(32)
    await bookings.put_link(hub.pool, who.user_id, _digest(token), now_ms=hub.now_ms())
    return CalendarLink(f"{hub.offer.return_url}/v1/me/calendar.ics?token={token}")


async def end_link(hub: Hub, who: Principal, request: web.Request) -> wire.Done:
    """`DELETE /v1/me/calendar-link`: no address opens one's calendar any more. Harmless the second time."""
    query(request, ())
    await bookings.delete_link(hub.pool, who.user_id)
    return wire.Done()


class CalendarFeed:
    """`GET /v1/me/calendar.ics?token=`: the calendar of whoever made the address, for whoever has it."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def routes(self) -> list[web.RouteDef]:
        """The one route, which asks nobody to sign in."""
        return [web.get("/v1/me/calendar.ics", self.feed)]

    async def feed(self, request: web.Request) -> web.StreamResponse:
        """The calendar. What is no address of one, is not found."""
        token = request.query.get("token", "")
        # It is looked up by its digest, so that the time taken tells nothing about the token.
        owner = await bookings.link_owner(self._hub.pool, _digest(token)) if TOKEN.fullmatch(token) else None
        if owner is None:
            raise not_found()
        async with acting_as(self._hub.pool, owner) as connection:
            found = await bookings.own_bookings(
                connection,
                from_ms=self._hub.now_ms() - PAST_MS,
                to_ms=None,
                after=None,
                limit=ENTRIES_MAX,
            )
        return await _answer(self._hub, owner, found, name="allinya.ics")


async def _answer(hub: Hub, owner: UserId, found: list[OwnBooking], *, name: str) -> web.StreamResponse:
    person = await people.person(hub.pool, owner)
    language: Language = "en" if person is None or person.language is None else person.language
    host = urlsplit(hub.offer.return_url).hostname or "allinya"
    entries = [_entry(one, owner, language, host) for one in found]
    return web.Response(
        body=calendar(entries, name="Allinya"),
        content_type=TYPE,
        charset="utf-8",
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Robots-Tag": "noindex",
        },
    )


def _entry(found: OwnBooking, owner: UserId, language: Language, host: str) -> Entry:
    other = found.guest_name if owner == found.practitioner_id else found.practitioner_name
    return Entry(
        uid=f"{found.id}@{host}",
        summary=WORDS[language].bookings["calendar_session"].format(name=other),
        starts_at_ms=found.starts_at_ms,
        ends_at_ms=found.ends_at_ms,
        created_at_ms=found.created_at_ms,
        changed_at_ms=found.changed_at_ms,
        sequence=found.version - 1,
        cancelled=found.state == "cancelled",
    )


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


ROUTES = [
    Route("GET", "/v1/bookings/{id}/calendar.ics", CalendarLink, one, gives=TYPE),
    Route("POST", "/v1/me/calendar-link", CalendarLink, make_link),
    Route("DELETE", "/v1/me/calendar-link", wire.Done, end_link),
]
