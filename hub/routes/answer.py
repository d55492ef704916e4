"""A route is a row like an event: what is done, what comes back. Errors become the contract's here.

A handler gets the hub, the principal and the request, and gives a reply, or a response of its own.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from aiohttp import web
from msgspec.structs import replace

from hub import access
from hub.access import Row
from hub.edge.auth import UUID, Principal
from hub.edge.dispatch import malformed
from hub.edge.strict_json import BadJsonError, strict
from hub.errors import HTTP_STATUS, Code, Refused, refused_from, wire
from hub.hub import Hub
from hub.moderation.suspending import require_unsuspended
from rooms.ids import Role
from rooms.safety.free_text import masked

Answered = msgspec.Struct | web.StreamResponse
Handle = Callable[[Hub, Principal, web.Request], Awaitable[Answered]]

READING = ("GET", "HEAD")
OWN = "/v1/me"
"""What stays open to a suspended person: their rights, and what they say against it."""
READABLE = ("/v1/sessions/", "/v1/policy", "/v1/privacy/")
"""What they may still read: their own sessions, the rules, and what is kept about them."""
PAGE_MAX = 100
BODY_MAX = 64 * 1024
PAGE_DEFAULT = 20
REASON_MAX = 500
FREE_TEXT = ("reason", "note")
"""Fields of bodies in which people say why."""


@dataclass(frozen=True, slots=True)
class Route:
    """One route for people who are signed in; `hub/access.py` says for whom. `reply` is what it answers."""

    method: str
    path: str
    reply: type[msgspec.Struct]
    handle: Handle
    body: type[msgspec.Struct] | None = None
    """What it takes in JSON, if it takes anything."""
    takes: tuple[str, ...] = ()
    """The media types that it takes instead of JSON."""
    gives: str = "application/json"
    """The media type of its answer; another than JSON is no `reply`."""

    @property
    def access(self) -> Row:
        """Who may, by the table. Raises KeyError without a row there."""
        return access.of_route(self.method, self.path)


def table(hub: Hub, routes: Sequence[Route]) -> list[web.RouteDef]:
    """The routes as the server takes them."""
    return [web.route(route.method, route.path, _endpoint(hub, route)) for route in routes]


def _endpoint(hub: Hub, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    who = route.access.who

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            reply = await route.handle(hub, await _principal(hub, route, who, request), request)
        except web.HTTPException:
            raise
        except Exception as error:  # noqa: BLE001  Whatever it was, the client gets a code of the contract.
            return refusal(refused_from(error, where=f"{route.method} {route.path}"))
        return reply if isinstance(reply, web.StreamResponse) else json(reply)

    return answer


async def _principal(hub: Hub, route: Route, who: frozenset[Role], request: web.Request) -> Principal:
    principal = await hub.identity.bearer(request)
    if principal.role not in who:
        raise Refused(Code.FORBIDDEN, "This is not for your role.")
    if not (route.path.startswith(OWN) or (route.path.startswith(READABLE) and route.method in READING)):
        await require_unsuspended(hub, principal.user_id)
    return principal


def json(reply: msgspec.Struct) -> web.Response:
    """A reply in JSON. What concerns one person is kept by no cache."""
    body = msgspec.json.encode(reply)
    return web.Response(body=body, content_type="application/json", headers={"Cache-Control": "no-store"})


def refusal(refused: Refused) -> web.Response:
    """`{"error": {…}}` with the code's status."""
    headers = {"Cache-Control": "no-store"}
    if refused.retry_after_ms is not None:
        headers["Retry-After"] = str(-(-refused.retry_after_ms // 1000))
    if refused.code is Code.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    body = msgspec.json.encode({"error": wire(refused)})
    status = HTTP_STATUS[refused.code]
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


T = TypeVar("T", bound=msgspec.Struct)


async def body(request: web.Request, kind: type[T]) -> T:
    """The request's body as a struct, without the numbers of cards where people say why.

    Raises Refused(bad_request, too_large).
    """
    if (request.content_length or 0) > BODY_MAX:
        raise Refused(Code.TOO_LARGE, "The body is larger than 64 KiB.")
    raw = await request.content.read(BODY_MAX + 1)
    if len(raw) > BODY_MAX or not request.content.at_eof():
        raise Refused(Code.TOO_LARGE, "The body is larger than 64 KiB.")
    try:
        asked = msgspec.json.decode(strict(raw.decode()), type=kind)
    except (BadJsonError, UnicodeDecodeError):
        raise Refused(Code.BAD_REQUEST, "The body is not JSON that we take.") from None
    except msgspec.ValidationError as error:
        raise malformed(error) from None
    written = {name: getattr(asked, name, None) for name in FREE_TEXT}
    return replace(asked, **{name: masked(text) for name, text in written.items() if isinstance(text, str)})


def path_id(request: web.Request, name: str) -> str:
    """An id of the path; what is no id names nothing. Raises Refused(not_found)."""
    given = request.match_info[name]
    if UUID.fullmatch(given) is None:
        raise not_found()
    return given


def not_found() -> Refused:
    """The answer for what is not there and for what is not yours: they look alike."""
    return Refused(Code.NOT_FOUND, "There is no such thing, or it is not yours.")


def query(request: web.Request, allowed: Collection[str]) -> dict[str, str]:
    """The query's parameters, each at most once. Raises Refused(bad_request) for one that is not known."""
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in allowed:
            raise bad_request(name, "unknown")
        if name in given:
            raise bad_request(name, "given twice")
        given[name] = value
    return given


def cursor(given: dict[str, str]) -> str | None:
    """The `cursor` of a list: the id after which it goes on. It opens nothing by itself."""
    value = given.get("cursor")
    if value is not None and UUID.fullmatch(value) is None:
        raise bad_request("cursor", "not one of ours")
    return value


def limit(given: dict[str, str]) -> int:
    """The `limit` of a list, 1 to 100."""
    value = given.get("limit", str(PAGE_DEFAULT))
    if not (value.isascii() and value.isdigit() and len(value) <= 3 and 1 <= int(value) <= PAGE_MAX):
        raise bad_request("limit", f"expected 1 to {PAGE_MAX}")
    return int(value)


def why(who: Principal, given: dict[str, str]) -> str | None:
    """Why an admin looks, from the query's `reason`. A moderator's reason is the case itself."""
    reason = given.get("reason", "").strip()
    if len(reason) > REASON_MAX or "\0" in reason or (who.role == "admin" and not reason):
        raise bad_request("reason", f"say why you look at it, in 1 to {REASON_MAX} characters")
    return masked(reason) or None


def bad_request(field: str, reason: str) -> Refused:
    """One field is wrong."""
    return Refused(Code.BAD_REQUEST, f"{field}: {reason}", fields={field: reason})
