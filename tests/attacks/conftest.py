"""The attacks share one server process; each brings its own people, so that none meets another's limits."""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from tests.integration.edge.peer import Edge, shared


@pytest.fixture(scope="package")
def edge_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A server with the production numbers, but for those that only make a test wait."""
    log = tmp_path_factory.mktemp("edge") / "log"
    with shared(log, origins=["https://hub.example"], numbers={"refused_linger_s": 0.1}) as port:
        yield port


@pytest.fixture
async def edge(edge_port: int) -> AsyncIterator[Edge]:
    """The shared server, as one test sees it."""
    async with aiohttp.ClientSession() as http:
        server = Edge(edge_port, http)
        yield server
        await server.part()
