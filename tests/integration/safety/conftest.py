"""Both stores, and the keys to what people wrote, for the way of a flag from one to the other."""

import time
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

DAY_MS = 86_400_000


def now_ms() -> int:
    return int(time.time() * 1000)


@pytest.fixture
async def redis(valkey: str) -> AsyncIterator[Redis]:
    """Connected as the hub connects."""
    client = connect(valkey)
    yield client
    await client.aclose()


@pytest.fixture
async def pool(database: PostgresAddress) -> AsyncIterator[asyncpg.Pool]:
    """As role `hub_worker`."""
    opened = await connect_postgres(database.hub_dsn, size=8)
    yield opened
    await opened.close()


@pytest.fixture
async def parts(pool: asyncpg.Pool, redis: Redis) -> Flagging:
    """What it takes to raise a case."""
    keyring = Keyring(bytes(range(32)), pool, now_ms=now_ms)
    await keyring.check()
    standards = Standards(120_000, 90, 4, 30 * DAY_MS, 180 * DAY_MS)
    return Flagging(pool, keyring, Moderation(redis), standards, now_ms)
