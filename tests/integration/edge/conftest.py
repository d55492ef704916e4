from collections.abc import AsyncIterator

import pytest

from tests.integration.edge.peer import Edge, running


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    """A server process with the usual numbers, only quicker to reap."""
    async with running(numbers={"refused_linger_s": 0.2}) as server:
        yield server
