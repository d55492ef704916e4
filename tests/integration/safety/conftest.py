"""Both stores, and the keys to what people wrote, for the way of a flag from one to the other."""

import time
from collections.abc import AsyncIterator

import asyncpg
import pytest
from redis.asyncio import Redis

from hub.hub import Hub
from hub.moderation.flagging import Flagging
from hub.moderation.standards import Standards
from sandbox.postgres import PostgresAddress
from store.postgres.pool import connect as connect_postgres
from store.privacy.keys import Keyring
from store.redis.connect import connect
from store.redis.moderation import Moderation
from tests.integration.safety.office import Clock, hub_of

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


@pytest.fixture
def clock() -> Clock:
    """The time of what a test does; it passes when the test says so."""
    return Clock()


@pytest.fixture
def hub(parts: Flagging, redis: Redis, clock: Clock) -> Hub:
    """A hub of which only the moderators' work is there."""
    return hub_of(parts, redis, clock)


@pytest.fixture
async def empty_queue(database: PostgresAddress) -> None:
    """Nothing waits that another test raised."""
    owner = await connect_postgres(database.owner_dsn, size=1)
    await owner.execute(
        "update flags set status = 'dismissed', resolved_at_ms = 1, claimed_by = null,"
        " claimed_until_ms = null where status in ('open', 'claimed')"
    )
    await owner.close()
