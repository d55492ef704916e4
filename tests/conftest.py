"""The stores that all suites share: one PostgreSQL and one Valkey for the whole run, fresh data for each."""

import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import redis

from sandbox.postgres import PostgresAddress, running_postgres
from sandbox.valkey import ValkeyProcess, running_valkey
from tests.stack import Stack, migrate

TEMPLATE = "migrated"


@contextmanager
def reachable_dir() -> Iterator[Path]:
    """A directory that PostgreSQL's own user can reach, removed in the end.

    Not pytest's: every start of pytest closes the directory above all of its runs to other users again.
    """
    directory = Path(tempfile.mkdtemp(prefix="allinya-test-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def server_dir() -> Iterator[Path]:
    """A directory for a test that starts a PostgreSQL of its own."""
    with reachable_dir() as directory:
        yield directory


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresAddress]:
    """A PostgreSQL server as Supabase provides it, not migrated."""
    with reachable_dir() as directory, running_postgres(directory / "postgres", durable=False) as address:
        yield address


@pytest.fixture(scope="session")
def migrated_template(
    postgres_cluster: PostgresAddress, tmp_path_factory: pytest.TempPathFactory
) -> PostgresAddress:
    """A migrated database that others are copied from; nothing may stay connected to it."""
    postgres_cluster.server.create_database(TEMPLATE)
    template = postgres_cluster.database(TEMPLATE)
    migrate(template, tmp_path_factory.mktemp("migrate"))
    return template


@pytest.fixture(scope="module")
def database(
    postgres_cluster: PostgresAddress, migrated_template: PostgresAddress
) -> Iterator[PostgresAddress]:
    """A fresh migrated database for one test module: `owner_dsn` and `hub_dsn`."""
    name = f"test_{uuid4().hex}"
    postgres_cluster.server.query(f"create database {name} template {TEMPLATE}")
    yield postgres_cluster.database(name)
    postgres_cluster.server.query(f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyProcess]:
    """A Valkey server for the whole run; a test that kills one starts its own by `running_valkey`."""
    with running_valkey(tmp_path_factory.mktemp("valkey")) as process:
        yield process


@pytest.fixture
def valkey(valkey_server: ValkeyProcess) -> str:
    """The address of an empty Valkey."""
    with redis.Redis.from_url(valkey_server.url) as client:
        client.flushall()
        client.function_flush()
        client.script_flush()
    return valkey_server.url


@pytest.fixture(scope="module")
def stack(database: PostgresAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Two hubs and a worker with everything behind them, for one test module."""
    running = Stack(tmp_path_factory.mktemp("stack"), database).start()
    yield running
    running.stop()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what the processes said beside a failure."""
    report = yield
    running = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(running, Stack):
        report.sections.append(("processes", running.logs()))
    return report
