"""The HTTP side of Stripe: keys, parameters, idempotency, faults, and answers as Stripe gives them."""

import base64
import binascii
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import stripe
from aiohttp import web

from sandbox.faults import HANG_MS, Rule
from sandbox.state import Json
from sandbox.stripe import (
    accounts,
    balance,
    charges,
    checkout,
    customers,
    disputes,
    events,
    form,
    pages,
    payment_intents,
    payment_methods,
    payouts,
    refunds,
    setup_intents,
    transfers,
)
from sandbox.stripe.errors import StripeError
from sandbox.stripe.idempotency import Keys
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World

_MODULES: tuple[Any, ...] = (
    accounts,
    balance,
    charges,
    checkout,
    customers,
    disputes,
    events,
    payment_intents,
    payment_methods,
    payouts,
    refunds,
    setup_intents,
    transfers,
)
_UNKNOWN_ERROR = StripeError("An error of the sandbox's making, as asked for.", status=500, kind="api_error")
_TOO_MANY = StripeError("Too many requests.", status=429, code="rate_limit")


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply about to be sent; `drop` closes the connection instead of sending it."""

    status: int
    body: Json
    replayed: bool = False
    drop: bool = False


class StripeServer:
    """All endpoints under `/stripe`, on one `World`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._keys = Keys(world)

    def routes(self) -> list[web.RouteDef]:
        """Every endpoint and hosted page."""
        defs = [
            web.route(route.method, f"/stripe{route.path}", self._handler(route))
            for module in _MODULES
            for route in module.ROUTES
        ]
        unknown = web.route("*", "/stripe/v1/{rest:.*}", self._unknown)
        return [*defs, *pages.routes(self._world), unknown]

    def _handler(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            request_id = f"req_{secrets.token_hex(7)}"
            try:
                _authenticate(request)
                answer = await self._answer(route, request, request_id)
            except StripeError as error:
                answer = Answer(error.status, error.body)
            return self._reply(request, request_id, answer)

        return handle

    async def _answer(self, route: Route, request: web.Request, request_id: str) -> Answer:
        body = await request.text() if request.method == "POST" else request.query_string
        path = request.path.removeprefix("/stripe")
        fault = self._world.faults.on_request("stripe", request.method, path)
        if fault is not None and fault.action == "429":
            raise _TOO_MANY
        checked = route.validate(form.parse(body))
        if route.method == "GET":
            await self._pause(fault)
            return self._execute(route, request, request_id, checked, None, fault)
        key = request.headers.get("Idempotency-Key")
        if key is None:
            await self._pause(fault)
            return self._execute(route, request, request_id, checked, None, fault)
        scoped = f"{request.headers.get('Stripe-Account', '')}:{key}"
        if stored := self._keys.begin(scoped, path, body):
            return Answer(stored["status"], stored["body"], replayed=True, drop=_drops(fault))
        try:
            await self._pause(fault)
            answer = self._execute(route, request, request_id, checked, key, fault)
            self._keys.finish(scoped, path, body, answer.status, answer.body)
            return answer
        finally:
            self._keys.abandon(scoped)

    async def _pause(self, fault: Rule | None) -> None:
        """A hanging Stripe still does what it was asked, only late."""
        if fault is not None and fault.action == "hang":
            await self._world.clock.sleep(HANG_MS if fault.ms is None else fault.ms)

    def _execute(
        self,
        route: Route,
        request: web.Request,
        request_id: str,
        checked: Json,
        key: str | None,
        fault: Rule | None,
    ) -> Answer:
        """Run the handler. No await from here to the answer: a request is one atomic step."""
        world = self._world
        world.request_id, world.idempotency_key = request_id, key
        world.account = request.headers.get("Stripe-Account")
        try:
            if fault is not None and fault.action == "500":
                raise _UNKNOWN_ERROR
            if world.account is not None:
                accounts.load(world, world.account)
            reply = route.execute(world, checked, dict(request.match_info))
            return Answer(200, reply, drop=_drops(fault))
        except StripeError as error:
            return Answer(error.status, error.body, drop=_drops(fault))
        finally:
            world.request_id = world.idempotency_key = world.account = None

    def _reply(self, request: web.Request, request_id: str, answer: Answer) -> web.StreamResponse:
        self._world.store.commit()
        if answer.drop and request.transport is not None:
            # What was asked for has happened; only the answer is lost, as on a broken connection.
            request.transport.abort()
        version = request.headers.get("Stripe-Version", stripe.api_version)
        headers = {"Request-Id": request_id, "Stripe-Version": version}
        if key := request.headers.get("Idempotency-Key"):
            headers["Idempotency-Key"] = key
        if answer.replayed:
            headers |= {"Idempotent-Replayed": "true"}
        return web.json_response(answer.body, status=answer.status, headers=headers)

    async def _unknown(self, request: web.Request) -> web.StreamResponse:
        error = StripeError(f"Unrecognized request URL ({request.method}: {request.path}).", status=404)
        return self._reply(request, f"req_{secrets.token_hex(7)}", Answer(error.status, error.body))


def _drops(fault: Rule | None) -> bool:
    return fault is not None and fault.action == "apply_then_drop"


def _authenticate(request: web.Request) -> None:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    key = value.strip()
    if scheme == "Basic":
        try:
            key = base64.b64decode(key, validate=True).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            key = ""
    if not key:
        raise StripeError("No API key was given.", status=401)
    if not key.startswith(("sk_test_", "rk_test_")):
        raise StripeError("Invalid API key: the sandbox takes test keys only.", status=401)
