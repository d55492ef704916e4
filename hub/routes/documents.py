"""The contract as documents, generated from the tables that the hub runs by: OpenAPI and AsyncAPI."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from hub import access, outbound, wire, wire_moderation, wire_safety
from hub.edge.dispatch import Event
from hub.errors import HTTP_STATUS, Code
from hub.events import HANDLERS
from hub.hub import Hub
from hub.moderation import observed
from hub.routes.answer import Route
from hub.routes.topics import ROUTES

VERSION = "1"
BYTES = {"type": "string", "format": "binary"}
REF = "#/components/schemas/{name}"

FROM_HUB: dict[str, type[msgspec.Struct]] = {
    "directory:changed": outbound.DirectoryChanged,
    "session:offered": outbound.SessionOffered,
    "session:state": outbound.SessionState,
    "room:presence": outbound.RoomPresence,
    "room:muted": outbound.RoomMuted,
    "recording:changed": outbound.RecordingChanged,
    "chat:message": outbound.ChatMessage,
    "chat:held": wire_safety.HeldMessage,
    "chat:removed": wire_safety.MessageRemoved,
    "safety:notice": wire_safety.SafetyNotice,
    "chat:typing": outbound.Typing,
    "chat:read": outbound.ReadUpTo,
    "meter:update": wire.Meter,
    "meter:warning": outbound.MeterWarning,
    "notice": outbound.Notice,
    "policy:updated": outbound.PolicyUpdated,
    "export:progress": outbound.ExportProgress,
    "media:signal": outbound.PeerSignal,
    "moderation:flag": wire_moderation.FlagTold,
    "moderation:observed": observed.ObservationEnded,
    "auth:expiring": wire.Refreshed,
    "hub:draining": outbound.Draining,
}
"""Every event that the hub sends, and its body."""


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """What stands under `error`."""

    code: Code
    message: str
    retryable: bool
    retry_after_ms: int | None = None
    fields: dict[str, str] | None = None


class Refusal(msgspec.Struct, frozen=True):
    """The body of a refused HTTP request."""

    error: Problem


class Documents:
    """`GET /v1/openapi.json` and `GET /v1/asyncapi.json`, made once."""

    def __init__(self) -> None:
        self._openapi = msgspec.json.encode(openapi(ROUTES))
        self._asyncapi = msgspec.json.encode(asyncapi(HANDLERS))

    def routes(self) -> list[web.RouteDef]:
        """The two documents."""
        return [web.get("/v1/openapi.json", self.http), web.get("/v1/asyncapi.json", self.events)]

    async def http(self, _request: web.Request) -> web.Response:
        """Every HTTP route for people."""
        return web.Response(body=self._openapi, content_type="application/json")

    async def events(self, _request: web.Request) -> web.Response:
        """Every Socket.IO event, in both directions."""
        return web.Response(body=self._asyncapi, content_type="application/json")


def openapi(routes: Iterable[Route]) -> dict[str, Any]:
    """OpenAPI 3.1: paths with their replies, and every refusal."""
    listed = list(routes)
    bodies = [route.body for route in listed if route.body is not None]
    kinds = [*(route.reply for route in listed), *bodies, Refusal]
    found, components = msgspec.json.schema_components(kinds, ref_template=REF)
    schemas = dict(zip(kinds, found, strict=True))
    refusal = {"description": "Refused", **_content(schemas[Refusal])}
    paths: dict[str, dict[str, Any]] = {}
    for route in listed:
        operation: dict[str, Any] = {
            "summary": _summary(route.handle),
            "x-roles": sorted(route.access.who),
            "x-access": access.told(route.access),
            "parameters": _parameters(route.path),
            "responses": {
                "200": {"description": "Done", **_content(_answer(route, schemas), route.gives)},
                **{str(status): refusal for status in sorted({*HTTP_STATUS.values()})},
            },
        }
        if route.body is not None:
            operation["requestBody"] = {"required": True, **_content(schemas[route.body])}
        if route.takes:
            operation["requestBody"] = {"required": True, **_content(BYTES, *route.takes)}
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Allinya session hub", "version": VERSION},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def asyncapi(handlers: dict[str, Event[Hub]]) -> dict[str, Any]:
    """AsyncAPI 3.0: one operation for each event, its body and, for a client's, what acknowledges it."""
    bodies = [event.body for event in handlers.values()]
    replies = [event.reply for event in handlers.values()]
    schemas, components = msgspec.json.schema_components(
        [*bodies, *replies, *FROM_HUB.values(), Problem], ref_template=REF
    )
    count = len(handlers)
    messages: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for number, (name, event) in enumerate(handlers.items()):
        messages[f"{name}.request"] = {"name": name, "payload": schemas[number]}
        messages[f"{name}.reply"] = {"name": name, "payload": schemas[count + number]}
        operations[f"receive {name}"] = {
            **_operation("receive", f"{name}.request"),
            "summary": _summary(event.handle),
            "x-roles": sorted(event.who),
            "x-access": access.told(access.of_event(name)),
            "reply": {"messages": [_message(f"{name}.reply")]},
        }
    for number, name in enumerate(FROM_HUB):
        messages[name] = {"name": name, "payload": schemas[2 * count + number]}
        operations[f"send {name}"] = _operation("send", name)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Allinya session hub", "version": VERSION},
        "channels": {"hub": {"address": "/socket.io/", "messages": messages}},
        "operations": operations,
        "components": {"schemas": components},
    }


def _answer(route: Route, schemas: Mapping[Any, dict[str, Any]]) -> dict[str, Any]:
    return schemas[route.reply] if route.gives == "application/json" else BYTES


def _content(schema: dict[str, Any], *media_types: str) -> dict[str, Any]:
    return {"content": {kind: {"schema": schema} for kind in media_types or ("application/json",)}}


def _operation(action: str, message: str) -> dict[str, Any]:
    return {"action": action, "channel": {"$ref": "#/channels/hub"}, "messages": [_message(message)]}


def _message(name: str) -> dict[str, str]:
    # A JSON pointer: a slash in a name would have to be escaped, a colon not.
    return {"$ref": f"#/channels/hub/messages/{name}"}


def _summary(handle: object) -> str:
    return (getattr(handle, "__doc__", None) or "").strip().split("\n")[0]


def _parameters(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": _id(name)} for name in names]


def _id(name: str) -> dict[str, str]:
    """Ids are UUIDs; what is numbered is a number, and other names are words."""
    if name == "number":
        return {"type": "integer"}
    return {"type": "string", **({"format": "uuid"} if name.endswith("id") else {})}
