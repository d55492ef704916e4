"""`/auth/v1/*` over HTTP, for the official Supabase clients."""

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import jwt
from aiohttp import web

from sandbox.auth.errors import AuthRefused, bad_request
from sandbox.auth.people import People, shown
from sandbox.faults import Faults
from sandbox.settings import is_loopback_host
from sandbox.state import Json, Store
from sandbox.trouble import with_faults

_USER_CHANGES = ("email", "password", "phone")
_ADMIN_CHANGES = (*_USER_CHANGES, "user_metadata", "app_metadata", "ban_duration")
PER_PAGE = 50
Answer = tuple[int, Json]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class AuthServer:
    """The Auth endpoints on one set of `People`."""

    def __init__(self, people: People, store: Store, faults: Faults, service_key: str) -> None:
        self._people, self._store, self._faults, self._service_key = people, store, faults, service_key

    def routes(self) -> list[web.RouteDef]:
        """All endpoints, preflights included."""
        table = [
            ("POST", "/signup", self.sign_up),
            ("POST", "/token", self.token),
            ("POST", "/logout", self.log_out),
            ("GET", "/user", self.get_user),
            ("PUT", "/user", self.put_user),
            ("GET", "/.well-known/jwks.json", self.jwks),
            ("GET", "/settings", self.settings),
            ("GET", "/health", self.health),
            ("GET", "/admin/users", self.list_users),
            ("POST", "/admin/users", self.create_user),
            ("GET", "/admin/users/{id}", self.admin_get),
            ("PUT", "/admin/users/{id}", self.admin_put),
            ("DELETE", "/admin/users/{id}", self.admin_delete),
        ]
        routes = [
            web.route(method, f"/auth/v1{path}", self._answering(handler)) for method, path, handler in table
        ]
        return [*routes, web.options("/auth/v1/{rest:.*}", _preflight)]

    def _answering(self, handler: Callable[[web.Request], Awaitable[Answer]]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                status, body = await handler(request)
            except AuthRefused as refused:
                status, body = refused.status, refused.body
            self._store.commit()
            headers = _cors(request)
            if status == 204:
                return web.Response(status=204, headers=headers)
            return web.json_response(body, status=status, headers=headers)

        return with_faults(self._faults, "auth", "/auth/v1", handle)

    async def sign_up(self, request: web.Request) -> Answer:
        """`POST /signup`: a confirmed user and a session."""
        body = await _json(request)
        if "email" not in body:
            raise bad_request("Only sign-up by email is known here")
        user = self._people.create(body["email"], body.get("password", ""), user_metadata=body.get("data"))
        return 200, self._people.sign_in(user)

    async def token(self, request: web.Request) -> Answer:
        """`POST /token`: by password or by refresh token."""
        body, grant = await _json(request), request.query.get("grant_type")
        if grant == "password":
            user = self._people.check_password(str(body.get("email", "")), str(body.get("password", "")))
            return 200, self._people.sign_in(user)
        if grant == "refresh_token":
            return 200, self._people.refresh(str(body.get("refresh_token", "")))
        raise AuthRefused(400, "unsupported_grant_type", "unsupported_grant_type")

    async def log_out(self, request: web.Request) -> Answer:
        """`POST /logout`: scope `global`, `local` or `others`."""
        user, session = self._signed_in(request)
        scope = request.query.get("scope", "global")
        if scope not in ("global", "local", "others"):
            raise bad_request(f"Unsupported logout scope '{scope}'")
        if scope == "local":
            self._people.end_session(session)
        else:
            self._people.end_sessions(user["id"], but=session["id"] if scope == "others" else None)
        return 204, {}

    async def get_user(self, request: web.Request) -> Answer:
        """`GET /user`."""
        return 200, shown(self._signed_in(request)[0])

    async def put_user(self, request: web.Request) -> Answer:
        """`PUT /user`: `email`, `phone`, `password`, `data`."""
        user, body = self._signed_in(request)[0], await _json(request)
        changes: Json = {name: body[name] for name in _USER_CHANGES if name in body}
        if "data" in body:
            changes["user_metadata"] = body["data"]
        return 200, shown(self._people.update(user, changes))

    async def jwks(self, request: web.Request) -> Answer:
        """`GET /.well-known/jwks.json`."""
        return 200, {"keys": [self._people.key.jwk()]}

    async def settings(self, request: web.Request) -> Answer:
        """`GET /settings`."""
        return 200, {
            "external": {"email": True, "phone": False},
            "disable_signup": False,
            "mailer_autoconfirm": True,
            "phone_autoconfirm": False,
            "sms_provider": "",
            "saml_enabled": False,
        }

    async def health(self, request: web.Request) -> Answer:
        """`GET /health`."""
        return 200, {"version": "sandbox", "name": "GoTrue", "description": "Supabase Auth, on this machine"}

    async def list_users(self, request: web.Request) -> Answer:
        """`GET /admin/users`: by `page` and `per_page`."""
        self._admin(request)
        page, per_page = _number(request, "page", 1), min(_number(request, "per_page", PER_PAGE), 1_000)
        users = self._people.all()[(page - 1) * per_page : page * per_page]
        return 200, {"aud": "authenticated", "users": [shown(user) for user in users]}

    async def create_user(self, request: web.Request) -> Answer:
        """`POST /admin/users`."""
        self._admin(request)
        body = await _json(request)
        user = self._people.create(
            body.get("email", ""),
            body.get("password", ""),
            phone=body.get("phone") or "",
            app_metadata=body.get("app_metadata"),
            user_metadata=body.get("user_metadata"),
            ident=body.get("id"),
        )
        return 200, shown(user)

    async def admin_get(self, request: web.Request) -> Answer:
        """`GET /admin/users/{id}`."""
        self._admin(request)
        return 200, shown(self._people.get(request.match_info["id"]))

    async def admin_put(self, request: web.Request) -> Answer:
        """`PUT /admin/users/{id}`: metadata is merged, null removes a key."""
        self._admin(request)
        body = await _json(request)
        changes = {name: body[name] for name in _ADMIN_CHANGES if name in body}
        return 200, shown(self._people.update(self._people.get(request.match_info["id"]), changes))

    async def admin_delete(self, request: web.Request) -> Answer:
        """`DELETE /admin/users/{id}`."""
        self._admin(request)
        self._people.delete(request.match_info["id"])
        return 200, {}

    def _admin(self, request: web.Request) -> None:
        if not hmac.compare_digest(_bearer(request).encode(), self._service_key.encode()):
            raise AuthRefused(403, "not_admin", "User not allowed")

    def _signed_in(self, request: web.Request) -> tuple[Json, Json]:
        try:
            claims: dict[str, Any] = self._people.key.verify(_bearer(request), self._people.issuer)
        except jwt.InvalidTokenError as error:
            raise AuthRefused(403, "bad_jwt", f"invalid JWT: {error}") from error
        try:
            user = self._people.get(claims["sub"])
        except AuthRefused as gone:
            raise AuthRefused(403, "user_not_found", "User from sub claim in JWT does not exist") from gone
        return user, self._people.session(claims["session_id"])


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise AuthRefused(401, "no_authorization", "This endpoint requires a Bearer token")
    return token.strip()


async def _json(request: web.Request) -> Json:
    try:
        body = json.loads(await request.text() or "{}")
    except ValueError as error:
        raise AuthRefused(400, "bad_json", "Could not parse request body as JSON") from error
    if not isinstance(body, dict):
        raise AuthRefused(400, "bad_json", "Could not parse request body as JSON")
    return body


def _number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise bad_request(f"{name} is a number above 0")
    return int(text)


async def _preflight(request: web.Request) -> web.Response:
    asked = request.headers.get("Access-Control-Request-Headers", "")
    headers = _cors(request)
    if headers:
        headers |= {
            "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
            "Access-Control-Allow-Headers": asked,
            "Access-Control-Max-Age": "600",
        }
    return web.Response(status=204, headers=headers)


def _cors(request: web.Request) -> dict[str, str]:
    """Pages of this machine may call from any port; no other origin may."""
    origin = request.headers.get("Origin", "")
    if not is_loopback_host(urlsplit(origin).hostname):
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Vary": "Origin",
        "Access-Control-Expose-Headers": "X-Total-Count, Link, X-Supabase-Api-Version",
    }
