"""Pools on the module's own database, migrated in this process: these tests need no hub."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from sandbox.postgres import PostgresAddress
from store.postgres.migrate import migrate
from store.postgres.pool import connect


@pytest.fixture(scope="session")
def migrated_template(postgres_cluster: PostgresAddress) -> PostgresAddress:
    postgres_cluster.server.create_database("migrated")
    template = postgres_cluster.database("migrated")
    asyncio.run(migrate(template.owner_dsn))
    return template


@pytest.fixture
async def pool(database: PostgresAddress) -> AsyncIterator[asyncpg.Pool]:
    """As role `hub_worker`."""
    opened = await connect(database.hub_dsn, size=4)
    yield opened
    await opened.close()


@pytest.fixture
async def owner(database: PostgresAddress) -> AsyncIterator[asyncpg.Pool]:
    """As the owner of the tables."""
    opened = await connect(database.owner_dsn, size=2)
    yield opened
    await opened.close()
