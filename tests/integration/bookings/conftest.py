"""Both stores, for the duty that makes sessions of bookings."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from redis.asyncio import Redis

from sandbox.postgres import PostgresAddress
from store.postgres.pool import connect as connect_postgres
from store.redis.connect import connect
from tests.integration.bookings.office import Office


@pytest.fixture
async def redis(valkey: str) -> AsyncIterator[Redis]:
    """Connected as the hub connects."""
    client = connect(valkey)
    yield client
    await client.aclose()


@pytest.fixture
async def owner(database: PostgresAddress) -> AsyncIterator[asyncpg.Pool]:
    """As the owner, to look at what is really there."""
    opened = await connect_postgres(database.owner_dsn, size=2)
    yield opened
    await opened.close()


@pytest.fixture
async def office(
    database: PostgresAddress, valkey: str, redis: Redis, owner: asyncpg.Pool
) -> AsyncIterator[Office]:
    """Bookings and their duty, on empty tables."""
    pool = await connect_postgres(database.hub_dsn, size=8)
    made = Office(database.hub_dsn, valkey, pool, owner, redis)
    await made.open()
    yield made
    await pool.close()
