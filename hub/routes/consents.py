"""What one agrees to, and takes back."""

from typing import Final

import msgspec
from aiohttp import web

from hub import wire
from hub.edge.auth import Principal
from hub.hub import Hub
from hub.routes.answer import Route, body, not_found, query
from hub.routes.people import own_profile
from store.postgres import consents, recordings
from store.postgres.consents import PURPOSES, Purpose
from store.postgres.pool import acting_as

HISTORY_MAX: Final = 100


class Grant(wire.Body, frozen=True):
    """Yes or no."""

    granted: bool


class Consent(msgspec.Struct, frozen=True):
    """What holds for one purpose. `at_ms` is when it was decided; null where nobody was asked yet."""

    purpose: Purpose
    granted: bool
    at_ms: int | None


class Consents(msgspec.Struct, frozen=True):
    """What holds for each purpose, and the latest decisions, the newest first."""

    items: list[Consent]
    history: list[Consent]
    cursor: str | None = None


async def show_consents(hub: Hub, who: Principal, request: web.Request) -> Consents:
    """`GET /v1/me/consents`."""
    query(request, ())
    async with acting_as(hub.pool, who.user_id) as connection:
        standing = {one.purpose: _told(one) for one in await consents.standing_consents(connection)}
        history = await consents.own_consents(connection, limit=HISTORY_MAX)
    items = [standing.get(purpose, Consent(purpose, False, None)) for purpose in PURPOSES]
    return Consents(items, [_told(one) for one in history])


async def decide(hub: Hub, who: Principal, request: web.Request) -> Consent:
    """`PUT /v1/me/consents/{purpose}`: holds from the next event on, on every hub."""
    query(request, ())
    given = request.match_info["purpose"]
    if given not in PURPOSES:
        raise not_found()
    purpose: Purpose = given
    asked = await body(request, Grant)
    await own_profile(hub, who)
    async with hub.pool.acquire() as connection, connection.transaction():
        await consents.lock_consents(connection, who.user_id)
        await consents.note_consent(
            connection, who.user_id, purpose, granted=asked.granted, now_ms=hub.now_ms()
        )
        if purpose == "recording" and not asked.granted:
            await recordings.withdraw(connection, who.user_id, now_ms=hub.now_ms())
    standing = await _standing(hub, who)
    return standing.get(purpose, Consent(purpose, False, None))


async def _standing(hub: Hub, who: Principal) -> dict[Purpose, Consent]:
    async with acting_as(hub.pool, who.user_id) as reading:
        return {one.purpose: _told(one) for one in await consents.standing_consents(reading)}


def _told(decision: consents.Decision) -> Consent:
    return Consent(decision.purpose, decision.granted, decision.at_ms)


ROUTES = [
    Route("GET", "/v1/me/consents", Consents, show_consents),
    Route("PUT", "/v1/me/consents/{purpose}", Consent, decide, Grant),
]
