"""Live rooms with people in them: what the acceptance tests of live rooms begin with."""

import itertools
from typing import Any

from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, until

FREE = {"kind": "free"}
FAST = {"kind": "per_minute", "amount_minor": FAST_MINOR_PER_MINUTE, "currency": "usd"}
_knocks = itertools.count()


async def opened(host: Visitor, **asked: Any) -> str:
    """A room that its host is in."""
    room = await host.post("/v1/live-rooms", {"title": "Evening circle", "seats": 5, "price": FREE, **asked})
    await host.ask("room:join", session_id=room["id"])
    await host.state(room["id"], "live")
    return str(room["id"])


async def knocked(guest: Visitor, room_id: str, **asked: Any) -> Json:
    return await guest.ask("room:knock", session_id=room_id, request_id=f"k{next(_knocks)}", **asked)


async def let_in(host: Visitor, guest: Visitor, room_id: str) -> Json:
    """A guest in the room."""
    await knocked(guest, room_id)
    await host.hear("lobby:changed", lambda body: guest.id in [one["id"] for one in body["waiting"]])
    await host.ask("room:admit", session_id=room_id, user_id=guest.id)
    await guest.hear("lobby:state", lambda body: body["state"] == "admitted")
    return await guest.ask("room:join", session_id=room_id)


async def bill(guest: Visitor, room_id: str) -> Json:
    found: list[Json] = []

    async def settled() -> bool:
        try:
            found.append(await guest.get(f"/v1/sessions/{room_id}/receipt"))
        except Refused:
            return False
        return True

    await until(settled, "never settled")
    return found[-1]


async def settled(scene: Scene, room_id: str) -> None:
    async def done() -> bool:
        rows = await scene.sql("select state from sessions where id = $1", room_id)
        return bool(rows[0]["state"] == "settled")

    await until(done, "the room was never settled")
