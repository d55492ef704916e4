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
from hub.vendors import outbound
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


@dataclass(frozen=True, slots=True)
class WayOut:
    """The clients of the vendors, and the count of what they refused to send elsewhere."""

    http: aiohttp.ClientSession
    stripe: StripeGateway
    refusals: outbound.Refusals


@contextlib.asynccontextmanager
async def stores(settings: Settings) -> AsyncIterator[Stores]:
    """Connect to both stores, and refuse to go on with a store that may lose data or a key that does not fit.

    Raises UnsafeStore, WrongDataKeyError, or the clients' errors.
    """
    async with redis_client(settings) as client, postgres_pool(settings) as pool:
        yield Stores(client, pool, await keyring(settings, pool))


async def keyring(settings: Settings, pool: asyncpg.Pool, *, write: bool = True) -> Keyring:
    """The keys to what lies in the stores. Raises WrongDataKeyError when they are another database's.

    Without `write` a database that nobody has used yet stays as it is.
    """
    ring = Keyring(
        settings.data_key.get_secret_value(),
        pool,
        now_ms=now_ms,
        previous=[key.get_secret_value() for key in settings.data_key_previous],
    )
    await ring.check(write=write)
    return ring


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
    # Whoever names a direct way beside it comes through a pooler, whatever its port.
    lent = settings.database_direct_url is not None
    pool = await postgres.connect(settings.database_url.get_secret_value(), size=POOL_SIZE, lent=lent)
    try:
        yield pool
    finally:
        # Closing waits for borrowed connections; by now nobody should hold one, and nobody may hold us up.
        try:
            await asyncio.wait_for(pool.close(), CLOSE_WITHIN_S)
        except TimeoutError:
            pool.terminate()


@contextlib.asynccontextmanager
async def way_out(settings: Settings) -> AsyncIterator[WayOut]:
    """To the vendors, and to nobody else."""
    refusals = outbound.Refusals()
    async with outbound.client(outbound.places(settings).values(), refusals) as http:
        yield WayOut(http, stripe_gateway(settings, http), refusals)


def stripe_gateway(settings: Settings, http: aiohttp.ClientSession) -> StripeGateway:
    """The connection to Stripe, over the client that everything else uses."""
    return StripeGateway(
        settings.stripe_secret_key.get_secret_value(),
        api_base=settings.stripe_api_base,
        timeout_s=settings.stripe_timeout_s,
        session=http,
    )
