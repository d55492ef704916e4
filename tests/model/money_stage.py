"""The machine's surroundings: the hub's webhook endpoints and the sandbox on ports of their own."""

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import stripe
from aiohttp import web

from billing.stripe_gateway import StripeGateway
from hub.routes.webhooks import StripeWebhooks
from sandbox.app import create_app
from sandbox.environment import free_port
from sandbox.postgres import PostgresAddress
from sandbox.settings import SandboxConfig
from store.postgres.pool import connect
from tests.integration.payments.desk import KEY, SECRETS, Desk
from tests.model.money_world import World

TIMEOUT_S = 0.4
"""Longer than the sandbox needs for an answer, shorter than a call that hangs."""


@asynccontextmanager
async def world(database: PostgresAddress, directory: Path) -> AsyncIterator[World]:
    """Everything that the machine needs, on ports of its own."""
    async with AsyncExitStack() as stack:
        pool = await connect(database.hub_dsn, size=8)
        stack.push_async_callback(pool.close)
        owner = await connect(database.owner_dsn, size=3)
        stack.push_async_callback(owner.close)
        hub_port = free_port()
        endpoints = StripeWebhooks(
            pool,
            secret=SECRETS["stripe"],
            connect_secret=SECRETS["stripe-connect"],
            livemode=False,
            now_s=time.time,
        )
        app = web.Application()
        app.add_routes(endpoints.routes())
        hub = await stack.enter_async_context(_served(app, hub_port))
        config = SandboxConfig(
            port=free_port(),
            data_dir=directory,
            public_url=hub,
            stripe_webhook_secret=SECRETS["stripe"],
            stripe_connect_webhook_secret=SECRETS["stripe-connect"],
        )
        base = await stack.enter_async_context(_served(create_app(config), config.port))
        gateway = StripeGateway(KEY, api_base=f"{base}/stripe", timeout_s=TIMEOUT_S)
        stack.push_async_callback(gateway.close)
        sdk_http = stripe.AIOHTTPClient(timeout=10)
        stack.push_async_callback(sdk_http.close_async)
        vendor = stripe.StripeClient(KEY, base_addresses={"api": f"{base}/stripe"}, http_client=sdk_http)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        desk = Desk(pool, owner, gateway, vendor, http, base, hub)
        [practitioner] = await desk.control("people", {"role": "practitioner", "count": 1})
        yield World(desk, str(practitioner["account"]))


@asynccontextmanager
async def _served(app: web.Application, port: int) -> AsyncIterator[str]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}"
    await runner.cleanup()
