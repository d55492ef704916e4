"""The sandbox's Twilio, a hub's endpoint that it calls back, and a migrated database."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from billing.stripe_gateway import StripeGateway
from hub.routes.twilio import TwilioWebhooks
from sandbox.app import create_app
from sandbox.environment import free_port
from sandbox.postgres import PostgresAddress
from sandbox.settings import SandboxConfig
from store.postgres.migrate import migrate
from store.postgres.pool import connect
from store.privacy.numbers import Numbers
from tests.integration.reminders.desk import MASTER, TOKEN, Desk


@pytest.fixture(scope="session")
def migrated_template(postgres_cluster: PostgresAddress) -> PostgresAddress:
    postgres_cluster.server.create_database("migrated")
    template = postgres_cluster.database("migrated")
    asyncio.run(migrate(template.owner_dsn))
    return template


@pytest.fixture
async def desk(database: PostgresAddress, tmp_path: Path) -> AsyncIterator[Desk]:
    """Where a test works."""
    port = free_port()
    public_url = f"http://127.0.0.1:{port}"
    config = SandboxConfig(
        port=free_port(), data_dir=tmp_path, public_url=public_url, twilio_auth_token=TOKEN
    )
    pool, owner = await connect(database.hub_dsn, size=8), await connect(database.owner_dsn, size=2)
    await owner.execute("truncate people, bookings, webhook_inbox, suspensions cascade")
    desk = Desk(
        dsn=database.hub_dsn,
        pool=pool,
        owner=owner,
        base=config.base_url,
        public_url=public_url,
        gateway=StripeGateway("sk_test_desk", api_base=f"{config.base_url}/stripe", timeout_s=5),
        time_ms=time.time_ns() // 1_000_000,
    )
    hub = web.Application()
    endpoint = TwilioWebhooks(pool, Numbers(MASTER), token=TOKEN, public_url=public_url, now_ms=desk.now_ms)
    hub.add_routes(endpoint.routes())
    runners = [web.AppRunner(app, shutdown_timeout=0.1) for app in (create_app(config), hub)]
    for runner, at in zip(runners, (config.port, port), strict=True):
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", at).start()
    async with aiohttp.ClientSession() as http:
        desk.http = http
        yield desk
    for runner in runners:
        await runner.cleanup()
    await desk.gateway.close()
    await owner.close()
    await pool.close()
