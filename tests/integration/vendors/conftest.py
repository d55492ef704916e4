"""The sandbox's vendors in this process, a migrated database, an empty live store, a clock that is moved."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from redis.asyncio import Redis

from billing.stripe_gateway import StripeGateway
from sandbox.app import create_app
from sandbox.environment import free_port
from sandbox.postgres import PostgresAddress
from sandbox.settings import SandboxConfig
from store.postgres.migrate import migrate
from store.postgres.pool import connect
from store.redis.connect import connect as connect_redis
from tests.integration.vendors.counter import KEY, Counter


@pytest.fixture(scope="session")
def migrated_template(postgres_cluster: PostgresAddress) -> PostgresAddress:
    postgres_cluster.server.create_database("migrated")
    template = postgres_cluster.database("migrated")
    asyncio.run(migrate(template.owner_dsn))
    return template


@pytest.fixture
async def counter(database: PostgresAddress, valkey: str, tmp_path: Path) -> AsyncIterator[Counter]:
    """Where a test works."""
    config = SandboxConfig(
        port=free_port(), data_dir=tmp_path, public_url="http://127.0.0.1:9", database_url=database.owner_dsn
    )
    runner = web.AppRunner(create_app(config), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", config.port).start()
    pool = await connect(database.hub_dsn, size=8)
    redis: Redis = connect_redis(valkey)
    gateway = StripeGateway(KEY, api_base=f"{config.base_url}/stripe", timeout_s=5)
    async with aiohttp.ClientSession() as http:
        made = Counter(
            database, pool, redis, valkey, gateway, http, config.base_url, time.time_ns() // 1_000_000
        )
        made.ring = await made.another_keyring()
        yield made
    await _idle(made.pool)
    await redis.aclose()
    await gateway.close()
    await made.pool.close()
    await runner.cleanup()


async def _idle(pool: asyncpg.Pool) -> None:
    """What one test left to do is not the next one's."""
    await pool.execute("update media_kicks set state = 'not_needed' where state = 'pending'")
    await pool.execute("update role_changes set state = 'refused' where state = 'pending'")
    await pool.execute(
        "update erasures set state = 'cancelled', cancelled_at_ms = 0"
        " where state not in ('done', 'cancelled')"
    )
