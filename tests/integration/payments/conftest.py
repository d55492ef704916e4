"""Stripe's sandbox on a port, the hub's webhook endpoints on another, Postgres with nothing left to do."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest
import stripe
from aiohttp import web

from billing.stripe_gateway import StripeGateway
from hub.routes.webhooks import StripeWebhooks
from sandbox.app import create_app
from sandbox.environment import free_port
from sandbox.postgres import PostgresAddress
from sandbox.settings import SandboxConfig
from store.postgres.migrate import migrate
from store.postgres.pool import connect
from store.redis.connect import connect as connect_redis
from tests.integration.payments.desk import KEY, SECRETS, Desk
from tests.integration.payments.office import Office, open_office

TIMEOUT_S = 3.0


@pytest.fixture(scope="session")
def migrated_template(postgres_cluster: PostgresAddress) -> PostgresAddress:
    """The database that each module copies, migrated in this process."""
    postgres_cluster.server.create_database("migrated")
    template = postgres_cluster.database("migrated")
    asyncio.run(migrate(template.owner_dsn))
    return template


@pytest.fixture
async def pool(database: PostgresAddress) -> AsyncIterator[asyncpg.Pool]:
    """As role `hub_worker`, and with no work left over from another test."""
    owner = await asyncpg.connect(database.owner_dsn)
    await owner.execute("truncate payment_ops, webhook_inbox, cases")
    await owner.execute("update sessions set settled_at_ms = 0 where settled_at_ms is null")
    await owner.close()
    opened = await connect(database.hub_dsn, size=8)
    yield opened
    await opened.close()


@pytest.fixture
async def hub(pool: asyncpg.Pool) -> AsyncIterator[str]:
    """The address of a hub that takes webhooks."""
    endpoints = StripeWebhooks(
        pool,
        secret=SECRETS["stripe"],
        connect_secret=SECRETS["stripe-connect"],
        livemode=False,
        now_s=time.time,
    )
    app = web.Application()
    app.add_routes(endpoints.routes())
    port = free_port()
    async with _serving(app, port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
async def sandbox(hub: str, tmp_path: Path) -> AsyncIterator[str]:
    """The address of the sandbox."""
    config = SandboxConfig(
        port=free_port(),
        data_dir=tmp_path,
        public_url=hub,
        stripe_webhook_secret=SECRETS["stripe"],
        stripe_connect_webhook_secret=SECRETS["stripe-connect"],
    )
    async with _serving(create_app(config), config.port):
        yield config.base_url


@pytest.fixture
async def desk(pool: asyncpg.Pool, database: PostgresAddress, hub: str, sandbox: str) -> AsyncIterator[Desk]:
    gateway = StripeGateway(KEY, api_base=f"{sandbox}/stripe", timeout_s=TIMEOUT_S)
    sdk_http = stripe.AIOHTTPClient(timeout=10)
    vendor = stripe.StripeClient(KEY, base_addresses={"api": f"{sandbox}/stripe"}, http_client=sdk_http)
    owner = await connect(database.owner_dsn, size=2)
    async with aiohttp.ClientSession() as http:
        yield Desk(pool, owner, gateway, vendor, http, sandbox, hub)
    await owner.close()
    await sdk_http.close_async()  # type: ignore[no-untyped-call]
    await gateway.close()


@asynccontextmanager
async def _serving(app: web.Application, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield
    await runner.cleanup()


@pytest.fixture
async def office(desk: Desk, valkey: str) -> AsyncIterator[Office]:
    """The routes for practitioners and admins, on the desk."""
    redis = connect_redis(valkey)
    async with aiohttp.ClientSession() as http:
        opened = await open_office(desk, http, redis)
        yield opened
        await opened.client.close()
    await redis.aclose()
