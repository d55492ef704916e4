"""The attacks share one server process for the edge alone, and two whole hubs for what lies behind it; each
brings its own people, so that none meets another's limits.
"""

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from sandbox.postgres import PostgresAddress
from tests.acceptance.conftest import UNLIMITED, running_stack
from tests.acceptance.scene import Scene
from tests.integration.edge.peer import Edge, shared
from tests.stack import Stack


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


@pytest.fixture(scope="package")
def stack(
    postgres_cluster: PostgresAddress,
    migrated_template: PostgresAddress,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    """Two hubs and a worker with the production numbers; only what paces events and chat is lifted."""
    with running_stack(postgres_cluster, tmp_path_factory, UNLIMITED) as running:
        yield running


@pytest.fixture
async def scene(stack: Stack) -> AsyncIterator[Scene]:
    """People on the stack, gone after the test."""
    playing = Scene(stack)
    yield playing
    await playing.close()
