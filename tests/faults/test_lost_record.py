"""Postgres is away while a session ends. Its server is the test's own, since others need theirs."""

import asyncio
import signal
from collections.abc import Iterator

import pytest

from sandbox.postgres import PostgresAddress, running_postgres
from tests.faults.scene import scene
from tests.stack import Stack, migrate


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresAddress]:
    """A PostgreSQL server that may be stopped."""
    with running_postgres(tmp_path_factory.mktemp("pg") / "postgres", durable=True) as address:
        migrate(address, tmp_path_factory.mktemp("migrate"))
        yield address


async def test_postgres_is_away_while_a_session_ends(stack: Stack) -> None:
    server = stack.database.server
    async with scene(stack) as playing:
        playing.talk()
        await playing.said(12)
        assert server.running is not None
        server.running.kill(signal.SIGQUIT)
        await asyncio.to_thread(server.running.process.wait)
        await playing.said(6)
        await playing.hush()
        ended = await playing.end()
        assert ended["state"] == "ended"
        await asyncio.sleep(1.0)
        await asyncio.to_thread(server.start)
        await playing.settled_once()
