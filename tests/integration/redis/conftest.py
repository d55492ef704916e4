"""A client of an empty Valkey, and a server of one's own for tests that kill it."""

from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from sandbox.valkey import ValkeyProcess, running_valkey
from store.redis.connect import connect


@pytest.fixture
async def redis(valkey: str) -> AsyncIterator[Redis]:
    """Connected as the hub connects."""
    client = connect(valkey)
    yield client
    await client.aclose()


@pytest.fixture
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyProcess]:
    """A server that this test may kill."""
    with running_valkey(tmp_path_factory.mktemp("mortal")) as process:
        yield process
