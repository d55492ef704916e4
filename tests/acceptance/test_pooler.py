"""The main job through a pooler that lends a connection for one transaction: the tests' own strict one, and
PgBouncer where it is installed.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import asyncpg
import pytest

from sandbox.postgres import PostgresAddress, running_postgres
from sandbox.processes import Program, Running, start, wait_until
from store.postgres.migrate import migrate
from store.postgres.pool import acting_as, connect
from tests.acceptance.conftest import UNLIMITED
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene
from tests.acceptance.test_main_job import a_second_passes, charged_minor, end_and_settle
from tests.conftest import reachable_dir
from tests.pooler import PORT, Pooler
from tests.stack import Stack

BOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
BOUNCER_INI = """[databases]
* = host={server}
[pgbouncer]
unix_socket_dir = {directory}
listen_port = {port}
auth_type = trust
auth_file = {directory}/users
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
logfile = {directory}/log
pidfile = {directory}/pid
"""


class Lends(Protocol):
    """A pooler."""

    def dsn(self, user: str, database: str) -> str:
        """Where clients of this user come."""


@pytest.fixture(scope="module")
def trusting() -> Iterator[PostgresAddress]:
    """A server that believes whoever comes by its socket, as it would a pooler that has the passwords."""
    with reachable_dir() as directory, running_postgres(directory / "postgres", durable=False) as address:
        (directory / "postgres" / "pg_hba.conf").write_text("local all all trust\n")
        address.server.query("select pg_reload_conf()")
        yield address


@pytest.fixture
def pooler(trusting: PostgresAddress) -> Iterator[Pooler]:
    with reachable_dir() as directory:
        running = Pooler(trusting.server.socket, directory).start()
        yield running
        running.stop()


@contextmanager
def database(trusting: PostgresAddress) -> Iterator[PostgresAddress]:
    """A database of this server with what Supabase brings, not migrated."""
    name = f"pooled_{uuid4().hex}"
    trusting.server.create_database(name)
    yield trusting.database(name)
    trusting.server.query(f"drop database {name} with (force)")


class Pooled(Stack):
    """A stack whose hubs and workers reach the database by a pooler, but where they listen."""

    def __init__(self, directory: Path, address: PostgresAddress, pooler: Lends) -> None:
        name = address.owner_dsn.partition("?")[0].rpartition("/")[2]
        self.direct = address.hub_dsn
        pooled = replace(address, hub_dsn=pooler.dsn("hub_worker", name))
        super().__init__(directory, pooled, settings=UNLIMITED)

    def _run(self, name: str, module: list[str], extra: Mapping[str, str]) -> Running:
        return super()._run(name, module, {**extra, "DATABASE_DIRECT_URL": self.direct})


async def main_job(address: PostgresAddress, directory: Path, pooler: Lends) -> None:
    """Two hubs and a worker: a session that is talked in, paid for, shown again, and counted with consent."""
    await migrate(address.owner_dsn)
    stack = Pooled(directory, address, pooler).start()
    scene = Scene(stack)
    try:
        guest, host, session_id = await scene.couple(rate_minor=FAST_MINOR_PER_MINUTE)
        for number, who in enumerate((guest, host, guest), 1):
            await who.ask("chat:send", session_id=session_id, client_id=str(number), text=f"no. {number}")
        await a_second_passes(guest, host, session_id)
        receipt = await end_and_settle(guest, host, session_id)
        assert await charged_minor(scene, session_id) == receipt["total_minor"] > 0
        for who in (guest, host):
            told = await who.get(f"/v1/sessions/{session_id}/transcript")
            assert [one["text"] for one in told["messages"]] == ["no. 1", "no. 2", "no. 3"]
            assert (await who.get("/v1/me/access"))["user_id"] == who.id
        stranger = await scene.guest()
        assert (await stranger.get("/v1/me/sessions"))["items"] == []
        check = stack._run("check", ["hub", "check"], {})
        assert check.process.wait(60) == 0, check.tail()
    finally:
        await scene.close()
        stack.stop()


async def test_the_main_job_through_a_pooler(
    trusting: PostgresAddress, pooler: Pooler, tmp_path: Path
) -> None:
    with database(trusting) as address:
        await main_job(address, tmp_path, pooler)
    assert pooler.violations == []
    assert pooler.counts["moved"] > 100


@pytest.mark.skipif(BOUNCER is None, reason="PgBouncer is not installed (its package is called pgbouncer)")
async def test_the_main_job_through_pgbouncer(trusting: PostgresAddress, tmp_path: Path) -> None:
    with (
        reachable_dir() as directory,
        database(trusting) as address,
        bouncing(trusting, directory) as bouncer,
    ):
        await main_job(address, tmp_path, bouncer)


class Bouncer:
    """PgBouncer on a socket in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def dsn(self, user: str, name: str) -> str:
        """Where clients of this user come."""
        return f"postgresql://{user}@/{name}?host={self.directory}&port={PORT}"


@contextmanager
def bouncing(trusting: PostgresAddress, directory: Path) -> Iterator[Bouncer]:
    ini = directory / "bouncer.ini"
    words = BOUNCER_INI.format(server=trusting.server.socket, directory=directory, port=PORT)
    ini.write_text(words)
    (directory / "users").write_text('"hub_worker" ""\n"postgres" ""\n')
    user = trusting.server.user
    if user is not None:
        os.chown(directory, *user)
    program = Program("pgbouncer", [str(BOUNCER), str(ini)], os.environ, log=directory / "out", user=user)
    running = start(program)
    try:
        wait_until((directory / f".s.PGSQL.{PORT}").exists, [running], what="pgbouncer")
        yield Bouncer(directory)
    finally:
        running.stop()


async def test_migrations_run_through_a_pooler(trusting: PostgresAddress, pooler: Pooler) -> None:
    with database(trusting) as address:
        name = address.owner_dsn.partition("?")[0].rpartition("/")[2]
        assert len(await migrate(pooler.dsn("postgres", name))) > 18
        assert await migrate(pooler.dsn("postgres", name)) == []
    assert pooler.violations == []


async def test_the_pooler_is_strict_enough_to_find_what_would_break(
    trusting: PostgresAddress, pooler: Pooler
) -> None:
    """What a direct connection forgives fails or is noted here."""
    with database(trusting) as address:
        name = address.owner_dsn.partition("?")[0].rpartition("/")[2]
        careless = await asyncpg.connect(pooler.dsn("postgres", name), statement_cache_size=100)
        assert await careless.fetchval("select 1") == 1
        with pytest.raises(asyncpg.InvalidSQLStatementNameError):
            await careless.fetchval("select 1")
        await careless.close(timeout=5)
        one = await asyncpg.connect(pooler.dsn("postgres", name), statement_cache_size=0)
        await one.execute("set statement_timeout = 12345")
        assert await one.fetchval("select current_setting('statement_timeout')") != "12345ms"
        await one.execute("select pg_advisory_lock(1)")
        one.terminate()
        noted = " ".join(pooler.violations)
        for what in ("a named statement", "set statement_timeout", "pg_advisory_lock"):
            assert what in noted


async def test_a_role_taken_on_ends_with_the_transaction(trusting: PostgresAddress, pooler: Pooler) -> None:
    with database(trusting) as address:
        await migrate(address.owner_dsn)
        name = address.owner_dsn.partition("?")[0].rpartition("/")[2]
        pool = await connect(pooler.dsn("hub_worker", name), size=3)
        for _ in range(20):
            async with acting_as(pool, str(uuid4())) as connection:  # type: ignore[arg-type]
                assert await connection.fetchval("select current_user") == "authenticated"
            assert await pool.fetchval("select current_user") == "hub_worker"
            assert not await pool.fetchval("select current_setting('request.jwt.claims', true)")
        await pool.close()
    assert pooler.violations == []
