"""A migrated database, an empty live store, and somebody who has lived through a session."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from redis.asyncio import Redis

from sandbox.postgres import PostgresAddress
from store.postgres.migrate import migrate
from store.postgres.pool import connect
from store.redis.connect import connect as connect_redis
from tests.integration.exports.counter import Counter, open_counter
from tests.integration.exports.workshop import Workshop


@pytest.fixture(scope="session")
def migrated_template(postgres_cluster: PostgresAddress) -> PostgresAddress:
    postgres_cluster.server.create_database("migrated")
    template = postgres_cluster.database("migrated")
    asyncio.run(migrate(template.owner_dsn))
    return template


@pytest.fixture
async def workshop(database: PostgresAddress, valkey: str) -> AsyncIterator[Workshop]:
    pool: asyncpg.Pool = await connect(database.hub_dsn, size=8)
    redis: Redis = connect_redis(valkey)
    yield Workshop(database, pool, redis, valkey)
    # What one test left to do is not the next one's.
    await pool.execute("update exports set state = 'failed' where state in ('queued', 'running')")
    await pool.execute("delete from pgqueuer")
    await redis.aclose()
    await pool.close()


@pytest.fixture
async def counter(workshop: Workshop) -> AsyncIterator[Counter]:
    async with open_counter(workshop) as opened:
        yield opened
