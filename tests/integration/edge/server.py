"""A small real hub process for the edge's tests: real sockets, its own key set, toy handlers.

Started as `python -m tests.integration.edge.server '<json options>'`; prints one line with its port. Options:
`numbers` (fields of `Numbers`), `jwk` (the public key it serves), `origins`, `proxies`, `require_aal2`.
"""

import asyncio
import dataclasses
import json
import sys
import time
from typing import Any

import aiohttp
import msgspec
import structlog
import uvloop
from aiohttp import web

from hub.edge.auth import Tokens
from hub.edge.connection import Connection
from hub.edge.dispatch import Dispatch, Event
from hub.edge.fanout import deliver, frame
from hub.edge.limits import Numbers
from hub.edge.sockets import Sockets
from hub.errors import Code, Refused, wire
from rooms.ids import Role
from rooms.limits import Rate

ALL: frozenset[Role] = frozenset({"guest", "practitioner", "moderator", "admin"})
STAFF: frozenset[Role] = frozenset({"moderator", "admin"})


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


class Say(msgspec.Struct, forbid_unknown_fields=True):
    text: str


class Said(msgspec.Struct):
    text: str


class Slow(msgspec.Struct, forbid_unknown_fields=True):
    n: int
    ms: int = 0


class Numbered(msgspec.Struct):
    n: int


class Anything(msgspec.Struct, forbid_unknown_fields=True):
    n: int = 0
    f: float = 0.0
    flag: bool = False
    data: Any = None


class Blast(msgspec.Struct, forbid_unknown_fields=True):
    size: int
    count: int


class Refresh(msgspec.Struct, forbid_unknown_fields=True):
    token: str


class Refreshed(msgspec.Struct):
    expires_at_ms: int


class Stage:
    """What toy handlers share, and what `/state` shows."""

    def __init__(self) -> None:
        self.sockets: Sockets
        self.tokens: Tokens
        self.members: dict[str, Connection] = {}
        self.opened: list[str] = []
        self.gone: list[tuple[str, str]] = []
        self.addresses: list[str] = []
        self.heard: dict[str, float] = {}
        self.begun: list[int] = []
        self.handled: list[str] = []
        self.jwks_mode = "ok"
        self.jwks_fetches = 0
        self.ahead_s = 0.0

    def now_s(self) -> float:
        return time.time() + self.ahead_s


async def echo(stage: Stage, _who: Connection, body: Say) -> Said:
    stage.handled.append(body.text[:40])
    return Said(body.text)


async def slow(stage: Stage, _who: Connection, body: Slow) -> Numbered:
    stage.begun.append(body.n)
    await asyncio.sleep(body.ms / 1000)
    stage.handled.append(str(body.n))
    return Numbered(body.n)


async def boom(_stage: Stage, _who: Connection, _body: Nothing) -> Nothing:
    raise RuntimeError("the cellar is flooded")


async def cancelled(_stage: Stage, _who: Connection, _body: Nothing) -> Nothing:
    raise asyncio.CancelledError


async def anything(_stage: Stage, _who: Connection, body: Anything) -> Anything:
    return body


async def join(stage: Stage, who: Connection, _body: Nothing) -> Nothing:
    stage.members[who.id] = who
    return Nothing()


async def say(stage: Stage, _who: Connection, body: Say) -> Nothing:
    deliver(frame("said", msgspec.json.encode({"text": body.text})), stage.members.values())
    return Nothing()


async def blast(_stage: Stage, who: Connection, body: Blast) -> Nothing:
    big = frame("blast", msgspec.json.encode({"text": "x" * body.size}))
    for _ in range(body.count):
        who.send(big)
    return Nothing()


async def refresh(stage: Stage, who: Connection, body: Refresh) -> Refreshed:
    principal = await stage.tokens.verify(body.token)
    who.refresh(principal)
    return Refreshed(principal.expires_at_ms)


async def drop_me(_stage: Stage, who: Connection, _body: Nothing) -> Nothing:
    who.drop("asked")
    who.drop("asked twice")
    return Nothing()


HANDLERS: dict[str, Event[Stage]] = {
    "echo": Event(Say, Said, ALL, echo),
    "slow": Event(Slow, Numbered, ALL, slow),
    "boom": Event(Nothing, Nothing, ALL, boom),
    "cancelled": Event(Nothing, Nothing, ALL, cancelled),
    "anything": Event(Anything, Anything, ALL, anything),
    "staff": Event(Nothing, Nothing, STAFF, join),
    "room:join": Event(Nothing, Nothing, ALL, join),
    "room:say": Event(Say, Nothing, ALL, say),
    "blast": Event(Blast, Nothing, ALL, blast),
    "auth:refresh": Event(Refresh, Refreshed, ALL, refresh),
    "drop:me": Event(Nothing, Nothing, ALL, drop_me),
}


def numbers_of(options: dict[str, Any]) -> Numbers:
    given = dict(options.get("numbers", {}))
    for name in ("events", "refusals", "connects"):
        if given.get(name) is not None:
            given[name] = Rate(*given[name])
    given.setdefault("connects", None)
    return dataclasses.replace(Numbers(), **given)


async def serve_keys(stage: Stage, options: dict[str, Any]) -> web.StreamResponse:
    stage.jwks_fetches += 1
    match stage.jwks_mode:
        case "down":
            raise web.HTTPServiceUnavailable
        case "slow":
            await asyncio.sleep(30)
        case "redirect":
            raise web.HTTPFound("/jwks-elsewhere")
        case "empty":
            return web.json_response({"keys": []})
        case "huge":
            return web.json_response({"keys": [options["jwk"]], "padding": "x" * 200_000})
        case "garbage":
            return web.Response(body=b'{"keys": 7}')
    return web.json_response({"keys": [options["jwk"]]})


def control_of(stage: Stage) -> Any:
    async def control(request: web.Request) -> web.Response:
        asked = await request.json()
        stage.jwks_mode = asked.get("jwks", stage.jwks_mode)
        stage.ahead_s += asked.get("advance_s", 0)
        if "advance_s" in asked:
            stage.sockets.tick()
        if "drop_all" in asked:
            stage.sockets.drop_all(asked["drop_all"])
        if "drain_ms" in asked:
            await stage.sockets.drain(reconnect_within_ms=asked["drain_ms"])
        return web.json_response({})

    return control


def state_of(stage: Stage) -> Any:
    async def state(_request: web.Request) -> web.Response:
        server = stage.sockets._server
        books = server.manager
        return web.json_response(
            {
                "connections": len(stage.sockets.connections),
                "opened": stage.opened,
                "gone": stage.gone,
                "addresses": stage.addresses,
                "begun": stage.begun,
                "handled": stage.handled,
                "heard_ago_s": {id_: time.monotonic() - at for id_, at in stage.heard.items()},
                "jwks_fetches": stage.jwks_fetches,
                "engine_sockets": len(server.eio.sockets),
                "environs": len(server.environ),
                "rooms": sum(len(rooms) for rooms in books.rooms.values()),
                "pending": sum(map(len, books.pending_connect.values())),
                "leaving": sum(map(len, books.pending_disconnect.values())),
                "inboxes": len(stage.sockets._inboxes),
                "people": len(stage.sockets._by_user),
                "watched": len(stage.sockets._expiry),
            }
        )

    return state


async def application(options: dict[str, Any]) -> web.Application:
    stage = Stage()
    numbers = numbers_of(options)
    app = web.Application()
    http = aiohttp.ClientSession()

    async def close_http(_app: web.Application) -> None:
        await http.close()

    def opened(who: Connection) -> None:
        stage.opened.append(who.id)
        stage.addresses.append(who.address)

    def gone(who: Connection, reason: str) -> None:
        stage.members.pop(who.id, None)
        stage.heard[who.id] = who.heard_s
        stage.gone.append((who.id, reason))

    async def whoami(request: web.Request) -> web.Response:
        try:
            principal = await stage.tokens.bearer(request)
        except Refused as refused:
            status = 401 if refused.code is Code.UNAUTHENTICATED else 503
            return web.json_response({"error": wire(refused)}, status=status)
        return web.json_response({"role": principal.role, "name": principal.name})

    stage.tokens = Tokens(
        issuer=options["issuer"],
        jwks_url=options["jwks_url"].replace("PORT", str(options["port"])),
        http=http,
        now_s=stage.now_s,
        require_aal2=options.get("require_aal2", False),
        jwks_timeout_s=0.3,
    )
    stage.sockets = Sockets(
        tokens=stage.tokens,
        dispatch=Dispatch(
            HANDLERS,
            stage,
            now_ms=lambda: int(stage.now_s() * 1000),
            handler_limit_s=numbers.handler_limit_s,
        ),
        opened=opened,
        gone=gone,
        now_ms=lambda: int(stage.now_s() * 1000),
        monotonic=time.monotonic,
        origins=options.get("origins", []),
        proxies=options.get("proxies", []),
        numbers=numbers,
    )
    stage.sockets.attach(app)

    async def keys(_request: web.Request) -> web.StreamResponse:
        return await serve_keys(stage, options)

    async def elsewhere(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"keys": [options["jwk"]]})

    app.router.add_get("/jwks", keys)
    app.router.add_get("/jwks-elsewhere", elsewhere)
    app.router.add_post("/control", control_of(stage))
    app.router.add_get("/state", state_of(stage))
    app.router.add_get("/whoami", whoami)
    app.on_cleanup.append(close_http)
    return app


async def main(options: dict[str, Any]) -> None:
    runner_port = options["port"]
    runner = web.AppRunner(await application(options), access_log=None, shutdown_timeout=2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", runner_port).start()
    print(json.dumps({"port": runner_port}), flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(15, stop.set)
    await stop.wait()
    await runner.cleanup()
    print(json.dumps({"stopped": True}), flush=True)


if __name__ == "__main__":
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    uvloop.run(main(json.loads(sys.argv[1])))
