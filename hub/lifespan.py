"""One async context manager per resource: what it opens, it closes, in the reverse order."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp
import asyncpg
from redis.asyncio import Redis

from billing.stripe_gateway import StripeGateway
from config.settings import Settings
from hub.wall_clock import now_ms
from store.postgres import pool as postgres
from store.privacy.keys import Keyring
from store.redis import connect as redis

POOL_SIZE = 10
CLOSE_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Stores:
    """Both stores and the keys to what lies in them."""

    redis: Redis
    pool: asyncpg.Pool
    keyring: Keyring


@contextlib.asynccontextmanager
async def stores(settings: Settings) -> AsyncIterator[Stores]:
    """Connect to both stores, and refuse to go on with a store that may lose data or a key that does not fit.

    Raises UnsafeStore, WrongDataKeyError, or the clients' errors.
    """
    async with redis_client(settings) as client, postgres_pool(settings) as pool:
        keyring = Keyring(settings.data_key.get_secret_value(), pool, now_ms=now_ms)
        await keyring.check()
        yield Stores(client, pool, keyring)


@contextlib.asynccontextmanager
async def redis_client(settings: Settings) -> AsyncIterator[Redis]:
    """A client of the live store."""
    client = redis.connect(settings.redis_url.get_secret_value())
    try:
        await redis.require_safe(client)
        yield client
    finally:
        await client.aclose()


@contextlib.asynccontextmanager
async def postgres_pool(settings: Settings) -> AsyncIterator[asyncpg.Pool]:
    """A pool of connections to the record."""
    pool = await postgres.connect(settings.database_url.get_secret_value(), size=POOL_SIZE)
    try:
        yield pool
    finally:
        # Closing waits for borrowed connections; by now nobody should hold one, and nobody may hold us up.
        try:
            await asyncio.wait_for(pool.close(), CLOSE_WITHIN_S)
        except TimeoutError:
            pool.terminate()


@contextlib.asynccontextmanager
async def http_client() -> AsyncIterator[aiohttp.ClientSession]:
    """For the identity provider's keys."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        yield session


@contextlib.asynccontextmanager
async def stripe_gateway(settings: Settings) -> AsyncIterator[StripeGateway]:
    """The connection to Stripe."""
    gateway = StripeGateway(
        settings.stripe_secret_key.get_secret_value(),
        api_base=settings.stripe_api_base,
        timeout_s=settings.stripe_timeout_s,
    )
    try:
        yield gateway
    finally:
        await gateway.close()
