"""A sandbox that really listens, a hub that really receives, and the vendors' own clients."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import stripe
from aiohttp import web

from sandbox.settings import SandboxConfig
from tests.integration.sandbox.outside import SECRETS, HubStandIn, Sandbox, free_port, running, stripe_client


@pytest.fixture
async def hub() -> AsyncIterator[HubStandIn]:
    stand_in = HubStandIn()
    app = web.Application()
    app.router.add_post("/{path:.*}", stand_in.receive)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    stand_in.url = f"http://127.0.0.1:{port}"
    yield stand_in
    await runner.cleanup()


@pytest.fixture
def config(tmp_path: Path, hub: HubStandIn) -> SandboxConfig:
    return SandboxConfig(
        port=free_port(),
        data_dir=tmp_path,
        public_url=hub.url,
        stripe_webhook_secret=SECRETS["/webhooks/stripe"],
        stripe_connect_webhook_secret=SECRETS["/webhooks/stripe-connect"],
    )


@pytest.fixture
async def sandbox(config: SandboxConfig) -> AsyncIterator[Sandbox]:
    async with running(config) as started:
        yield started


@pytest.fixture
async def vendor(sandbox: Sandbox) -> AsyncIterator[stripe.StripeClient]:
    async with stripe_client(sandbox.config) as client:
        yield client
