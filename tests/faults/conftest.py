"""Stacks for the faults: two hubs and a worker, with deadlines that a test can wait for."""

from collections.abc import Iterator

import pytest

from sandbox.postgres import PostgresAddress
from tests.stack import Stack

GRACE_S = 25
SETTINGS = {"RECONNECT_GRACE_S": str(GRACE_S), "RING_S": "10", "DRAIN_S": "3"}


@pytest.fixture(scope="module")
def stack(database: PostgresAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two hubs and a worker that the tests of one module may kill, as long as they start them anew."""
    running = Stack(tmp_path_factory.mktemp("stack"), database, settings=SETTINGS).start()
    yield running
    running.stop()
