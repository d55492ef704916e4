"""`/v1/me/waitlist`: practitioners of whom one wants to hear when they are free."""

from aiohttp import web
from msgspec import convert

from hub import waiting, wire
from hub.edge.auth import Principal
from hub.hub import Hub
from hub.leaving import require_staying
from hub.routes.answer import Route, not_found, path_id, query
from hub.safety.judging import require_no_open_question
from hub.waiting import MOST_OWN
from hub.wire_reviews import Waiting, WaitingList
from rooms.ids import UserId
from store.postgres import waitlist as rows


async def listed(hub: Hub, who: Principal, request: web.Request) -> WaitingList:
    """`GET /v1/me/waitlist`: for whom one waits, in the order in which one asked."""
    query(request, ())
    hidden = await hub.blocks.of(who.user_id)
    found = await rows.waiting(hub.pool, who.user_id, None, now_ms=hub.now_ms(), limit=MOST_OWN)
    items = [
        convert(one, Waiting, from_attributes=True) for one in found if one.practitioner_id not in hidden
    ]
    return WaitingList(items, None)


async def one(hub: Hub, who: Principal, request: web.Request) -> Waiting:
    """`GET /v1/me/waitlist/{id}`: one's place."""
    query(request, ())
    other = UserId(path_id(request, "id"))
    found = await rows.waiting(hub.pool, who.user_id, other, now_ms=hub.now_ms(), limit=1)
    if not found or other in await hub.blocks.of(who.user_id):
        raise not_found()
    return convert(found[0], Waiting, from_attributes=True)


async def put(hub: Hub, who: Principal, request: web.Request) -> Waiting:
    """`PUT /v1/me/waitlist/{id}`: wait for a day at most. Again, one keeps one's place."""
    query(request, ())
    await require_no_open_question(hub.pool, who.user_id)
    await require_staying(hub.pool, who.user_id)
    found = await waiting.join(hub, who.user_id, UserId(path_id(request, "id")))
    return convert(found, Waiting, from_attributes=True)


async def delete(hub: Hub, who: Principal, request: web.Request) -> wire.Done:
    """`DELETE /v1/me/waitlist/{id}`: wait no more; harmless for who does not."""
    query(request, ())
    await waiting.leave(hub.pool, who.user_id, UserId(path_id(request, "id")))
    return wire.Done()


ROUTES = [
    Route("GET", "/v1/me/waitlist", WaitingList, listed),
    Route("GET", "/v1/me/waitlist/{id}", Waiting, one),
    Route("PUT", "/v1/me/waitlist/{id}", Waiting, put),
    Route("DELETE", "/v1/me/waitlist/{id}", wire.Done, delete),
]
