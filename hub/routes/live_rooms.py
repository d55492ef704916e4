"""Live rooms: those that are open or to come, and how a practitioner opens one."""

import asyncio

from aiohttp import web

from hub.edge.auth import Principal
from hub.hub import Hub
from hub.lobby import opening
from hub.lobby.titles import opened_title
from hub.routes.answer import Route, bad_request, body, cursor, limit, query
from hub.wire_live_rooms import LiveRoom, LiveRooms, OpenRoom
from rooms.ids import SessionId
from rooms.room import OPEN
from store.postgres import blocks, live_rooms
from store.postgres.live_rooms import OpenRoom as Recorded
from store.postgres.pool import acting_as

STATES = ("waiting", "live", "paused")


async def listed(hub: Hub, who: Principal, request: web.Request) -> LiveRooms:
    """`GET /v1/live-rooms`: what one may knock at, the newest first; `?state=` narrows it."""
    given = query(request, ("state", "cursor", "limit"))
    state = given.get("state")
    if state is not None and state not in STATES:
        raise bad_request("state", f"expected one of {', '.join(STATES)}")
    before, most = cursor(given), limit(given)
    async with acting_as(hub.pool, who.user_id) as connection:
        found = await live_rooms.open_rooms(
            connection, before=None if before is None else SessionId(before), limit=most
        )
    hidden = await blocks.blocked_with(hub.pool, who.user_id)
    seen = [one for one in found if one.practitioner_id not in hidden]
    shown = [room for room in await asyncio.gather(*(_shown(hub, one) for one in seen)) if room is not None]
    items = [room for room in shown if state is None or room.state == state]
    return LiveRooms(items, found[-1].session_id if len(found) == most else None)


async def _shown(hub: Hub, one: Recorded) -> LiveRoom | None:
    """The room as it stands; None once it is over, or not there just now."""
    loaded = await hub.live.rooms.load(one.session_id)
    if loaded is None or loaded.room.state not in OPEN:
        return None
    title = await opened_title(hub.keyring, one.session_id, one.practitioner_id, one.title)
    return opening.live_room(loaded.room, title)


async def create(hub: Hub, who: Principal, request: web.Request) -> LiveRoom:
    """`POST /v1/live-rooms`: open a room, now or later; the same `request_id` gives the same room."""
    return await opening.open_room(hub, who, await body(request, OpenRoom))


ROUTES = [
    Route("GET", "/v1/live-rooms", LiveRooms, listed),
    Route("POST", "/v1/live-rooms", LiveRoom, create, body=OpenRoom),
]
