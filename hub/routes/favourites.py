"""`/v1/me/favourites`: practitioners whom one likes to come back to."""

from typing import Final

from aiohttp import web

from hub import wire
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.routes.answer import Route, cursor, limit, not_found, path_id, query
from hub.wire_reviews import Favourite, Favourites
from rooms.ids import UserId
from store.postgres import favourites as rows
from store.postgres.favourites import FavouriteRecord
from store.postgres.pool import acting_as

MOST: Final = 500
"""How many one person may have."""


async def listed(hub: Hub, who: Principal, request: web.Request) -> Favourites:
    """`GET /v1/me/favourites`: with how each of them stands now."""
    given = query(request, ("cursor", "limit"))
    size, after = limit(given), cursor(given)
    hidden = await hub.blocks.of(who.user_id)
    async with acting_as(hub.pool, who.user_id) as connection:
        found = await rows.own_favourites(
            connection, after=None if after is None else UserId(after), limit=size
        )
    items = await _told(hub, [record for record in found if record.id not in hidden])
    return Favourites(items, found[-1].id if len(found) == size else None)


async def one(hub: Hub, who: Principal, request: web.Request) -> Favourite:
    """`GET /v1/me/favourites/{id}`."""
    query(request, ())
    return await _own(hub, who, UserId(path_id(request, "id")))


async def put(hub: Hub, who: Principal, request: web.Request) -> Favourite:
    """`PUT /v1/me/favourites/{id}`: harmless the second time."""
    query(request, ())
    other = UserId(path_id(request, "id"))
    made = await rows.insert_favourite(hub.pool, who.user_id, other, now_ms=hub.now_ms(), most=MOST)
    if made:
        return await _own(hub, who, other)
    async with acting_as(hub.pool, who.user_id) as connection:
        known = await rows.own_favourite(connection, other)
        full = known is None and len(await rows.own_favourites(connection, after=None, limit=MOST)) >= MOST
    if full:
        raise Refused(Code.CONFLICT, f"You have {MOST} favourites, which is as many as can be kept.")
    return await _own(hub, who, other)


async def delete(hub: Hub, who: Principal, request: web.Request) -> wire.Done:
    """`DELETE /v1/me/favourites/{id}`: take it back; harmless where there is none."""
    query(request, ())
    await rows.delete_favourite(hub.pool, who.user_id, UserId(path_id(request, "id")))
    return wire.Done()


async def _own(hub: Hub, who: Principal, other: UserId) -> Favourite:
    async with acting_as(hub.pool, who.user_id) as connection:
        record = await rows.own_favourite(connection, other)
    if record is None or other in await hub.blocks.of(who.user_id):
        raise not_found()
    return (await _told(hub, [record]))[0]


async def _told(hub: Hub, records: list[FavouriteRecord]) -> list[Favourite]:
    statuses = await hub.directory.statuses([record.id for record in records])
    return [
        Favourite(record.id, record.name, statuses[record.id], record.created_at_ms) for record in records
    ]


ROUTES = [
    Route("GET", "/v1/me/favourites", Favourites, listed),
    Route("GET", "/v1/me/favourites/{id}", Favourite, one),
    Route("PUT", "/v1/me/favourites/{id}", Favourite, put),
    Route("DELETE", "/v1/me/favourites/{id}", wire.Done, delete),
]
