"""What the sandbox's tests share: a hub that really receives, and clients of the vendors."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
import stripe
from aiohttp import web

from sandbox.app import create_app
from sandbox.settings import SandboxConfig

SECRETS = {"/webhooks/stripe": "whsec_platform", "/webhooks/stripe-connect": "whsec_connect"}
PATIENCE_S = 10.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Received:
    """One webhook as it arrived."""

    path: str
    headers: dict[str, str]
    body: str

    @property
    def event(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.body)
        return parsed


@dataclass
class HubStandIn:
    """Answers webhooks with `status`, remembers them, and lets a test wait for what it expects."""

    url: str = ""
    status: int = 200
    received: list[Received] = field(default_factory=list)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def receive(self, request: web.Request) -> web.Response:
        async with self._changed:
            self.received.append(Received(request.path, dict(request.headers), await request.text()))
            self._changed.notify_all()
        return web.Response(status=self.status)

    async def wait(self, fits: Callable[[list[Received]], bool]) -> list[Received]:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(lambda: fits(self.received))
        return self.received

    async def event(self, kind: str) -> Received:
        def found() -> Received | None:
            stripes = [r for r in self.received if "stripe" in r.path]
            return next((r for r in stripes if r.event["type"] == kind), None)

        await self.wait(lambda _: found() is not None)
        got = found()
        assert got is not None
        return got


@dataclass
class Sandbox:
    """A running sandbox and a plain client for its control interface."""

    config: SandboxConfig
    http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.config.base_url

    async def post(self, path: str, body: object = None) -> Any:
        async with self.http.post(f"{self.url}{path}", json=body if body is not None else {}) as response:
            answer = await response.json()
            assert response.status < 300, answer
            return answer

    async def get(self, path: str) -> Any:
        async with self.http.get(f"{self.url}{path}") as response:
            answer = await response.json()
            assert response.status < 300, answer
            return answer


@asynccontextmanager
async def running(config: SandboxConfig) -> AsyncIterator[Sandbox]:
    runner = web.AppRunner(create_app(config), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", config.port).start()
    async with aiohttp.ClientSession() as http:
        yield Sandbox(config, http)
    await runner.cleanup()


@asynccontextmanager
async def stripe_client(config: SandboxConfig, **options: Any) -> AsyncIterator[stripe.StripeClient]:
    """The official client, without its own retries, so that a test sees each answer."""
    http = stripe.AIOHTTPClient(timeout=10)
    bases: Any = {"api": f"{config.base_url}/stripe"}
    options = {"max_network_retries": 0, **options}
    yield stripe.StripeClient("sk_test_sandbox", base_addresses=bases, http_client=http, **options)
    await http.close_async()  # type: ignore[no-untyped-call]


async def refusal(call: Awaitable[object], kind: type[stripe.StripeError]) -> Any:
    """The error that a call to Stripe must end with."""
    with pytest.raises(kind) as caught:
        await call
    return caught.value
