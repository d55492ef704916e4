"""One's sign-ins: ending them here and everywhere, at once."""

from aiohttp import web

from hub import wire
from hub.edge.auth import Principal
from hub.hub import Hub
from hub.routes.answer import Route, body, query
from store.redis.revocations import Scope


class SignOut(wire.Body, frozen=True):
    """Which sign-ins to end: this one, every other one, or all."""

    scope: Scope


async def sign_out(hub: Hub, who: Principal, request: web.Request) -> wire.Done:
    """`POST /v1/me/sign-out`: the tokens of these sign-ins are taken no more, and their connections close."""
    query(request, ())
    asked = await body(request, SignOut)
    await hub.identity.sign_out(who, asked.scope, at_s=hub.now_ms() // 1000)
    return wire.Done()


ROUTES = [Route("POST", "/v1/me/sign-out", wire.Done, sign_out, body=SignOut)]
