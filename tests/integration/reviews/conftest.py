"""Both stores, and a desk on them."""

from collections.abc import AsyncIterator

import asyncpg
import pytest
from redis.asyncio import Redis

from hub.moderation.flagging import Flagging
from hub.moderation.standards import Standards
from sandbox.postgres import PostgresAddress
from store.postgres.pool import connect as connect_postgres
from store.privacy.keys import Keyring
from store.redis.connect import connect
from store.redis.moderation import Moderation
from tests.integration.reviews.desk import DAY_MS, Desk, desk_of
from tests.integration.safety.office import Clock


@pytest.fixture
async def redis(valkey: str) -> AsyncIterator[Redis]:
    client = connect(valkey)
    yield client
    await client.aclose()


@pytest.fixture
async def owner(database: PostgresAddress) -> AsyncIterator[asyncpg.Pool]:
    opened = await connect_postgres(database.owner_dsn, size=4)
    yield opened
    await opened.close()


@pytest.fixture
async def desk(database: PostgresAddress, owner: asyncpg.Pool, redis: Redis) -> AsyncIterator[Desk]:
    clock = Clock()
    pool = await connect_postgres(database.hub_dsn, size=8)
    keyring = Keyring(bytes(range(32)), pool, now_ms=clock)
    standards = Standards(120_000, 90, 4, 30 * DAY_MS, 180 * DAY_MS)
    yield desk_of(Flagging(pool, keyring, Moderation(redis), standards, clock), owner, redis, clock)
    await pool.close()
