"""`/v1/me/blocks`: whom one has blocked."""

from aiohttp import web
from msgspec import convert

from hub import wire
from hub.edge.auth import Principal
from hub.hub import Hub
from hub.routes.answer import Route, cursor, limit, not_found, path_id, query
from hub.safety import blocks
from hub.wire_evidence import Block, BlockList
from rooms.ids import UserId
from store.postgres import blocks as rows
from store.postgres.pool import acting_as


async def listed(hub: Hub, who: Principal, request: web.Request) -> BlockList:
    """`GET /v1/me/blocks`: whom one has blocked; never who blocked oneself."""
    given = query(request, ("cursor", "limit"))
    size, after = limit(given), cursor(given)
    async with acting_as(hub.pool, who.user_id) as connection:
        found = await rows.own_blocks(connection, after=None if after is None else UserId(after), limit=size)
    items = [convert(record, Block, from_attributes=True) for record in found]
    return BlockList(items, items[-1].id if len(items) == size else None)


async def one(hub: Hub, who: Principal, request: web.Request) -> Block:
    """`GET /v1/me/blocks/{id}`: whether one has blocked this person."""
    query(request, ())
    other = UserId(path_id(request, "id"))
    async with acting_as(hub.pool, who.user_id) as connection:
        record = await rows.own_block(connection, other)
    if record is None:
        raise not_found()
    return convert(record, Block, from_attributes=True)


async def put(hub: Hub, who: Principal, request: web.Request) -> Block:
    """`PUT /v1/me/blocks/{id}`: as `safety:block`."""
    query(request, ())
    record = await blocks.block(hub, who.user_id, UserId(path_id(request, "id")))
    return convert(record, Block, from_attributes=True)


async def delete(hub: Hub, who: Principal, request: web.Request) -> wire.Done:
    """`DELETE /v1/me/blocks/{id}`: take it back; harmless where there is none."""
    query(request, ())
    await blocks.unblock(hub, who.user_id, UserId(path_id(request, "id")))
    return wire.Done()


ROUTES = [
    Route("GET", "/v1/me/blocks", BlockList, listed),
    Route("GET", "/v1/me/blocks/{id}", Block, one),
    Route("PUT", "/v1/me/blocks/{id}", Block, put),
    Route("DELETE", "/v1/me/blocks/{id}", wire.Done, delete),
]
