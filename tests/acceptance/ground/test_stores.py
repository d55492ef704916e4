"""The stores under `make run` and the suites: they come up with what the hub expects, and survive crashes."""

import asyncio
import os
import signal
from pathlib import Path

import asyncpg
import pytest
import redis

from sandbox.postgres import PostgresAddress, running_postgres
from sandbox.processes import Notebook, Program, StartFailed, StopFlag, Stopped, start
from sandbox.valkey import running_valkey

PERSON = "018f0000-0000-7000-8000-000000000000"


async def test_the_hubs_role_can_ask_as_a_person(postgres_cluster: PostgresAddress) -> None:
    hub = await asyncpg.connect(postgres_cluster.hub_dsn)
    try:
        async with hub.transaction():
            await hub.execute("set local role authenticated")
            claims = f'{{"sub": "{PERSON}", "role": "authenticated"}}'
            await hub.execute("select set_config('request.jwt.claims', $1, true)", claims)
            assert str(await hub.fetchval("select auth.uid()")) == PERSON
        assert await hub.fetchval("select auth.uid()") is None
        assert not await hub.fetchval(
            "select rolsuper or rolbypassrls from pg_roles where rolname = current_user"
        )
    finally:
        await hub.close()


async def test_the_hubs_role_needs_its_password(postgres_cluster: PostgresAddress) -> None:
    server = postgres_cluster.server
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres_cluster.hub_dsn.replace(server.hub_password, "guess"))


def test_postgres_keeps_data_and_takes_over_from_a_killed_launcher(server_dir: Path) -> None:
    with running_postgres(server_dir / "pg", durable=True) as first:
        first.server.query("create table kept as select 7 as n", "allinya")
        # Nobody ended the first server: this is what a killed launcher leaves.
        with running_postgres(server_dir / "pg", durable=True) as second:
            assert first.server.running is not None
            assert first.server.running.ended() is not None
            assert second.server.query("select n from kept", "allinya") == "7"
            assert second.server.query("show fsync") == "on"


def test_postgres_starts_beside_the_lock_of_a_stranger(server_dir: Path) -> None:
    with running_postgres(server_dir / "pg", durable=False):
        pass
    (server_dir / "pg" / "postmaster.pid").write_text(
        f"{os.getpid()}\n{server_dir / 'pg'}\n0\n5432\n\n\n\nready\n"
    )
    with running_postgres(server_dir / "pg", durable=False) as address:
        assert address.server.query("select 1") == "1"


def test_postgres_has_a_short_address_in_a_long_place(server_dir: Path) -> None:
    with running_postgres(server_dir / ("x" * 100) / "pg", durable=False) as address:
        assert asyncio.run(ask(address.hub_dsn)) == "hub_worker"
        short = address.server.socket
    assert not short.exists()


async def ask(dsn: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval("select current_user")
    finally:
        await connection.close()


def test_valkey_keeps_what_it_acknowledged_through_a_kill(tmp_path: Path) -> None:
    with running_valkey(tmp_path / "v") as valkey:
        address, pid = valkey.url, valkey.pid
        with redis.Redis.from_url(address) as client:
            client.set("a", "1")
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("appendfsync") == {"appendfsync": "everysec"}
        valkey.kill()
        valkey.restart()
        assert valkey.url == address
        assert valkey.pid != pid
        with redis.Redis.from_url(address) as client:
            assert client.get("a") == b"1"


def test_a_start_is_given_up_when_told_to_stop(server_dir: Path) -> None:
    stop = StopFlag()
    stop.set(signal.SIGTERM)
    with pytest.raises(Stopped), running_postgres(server_dir / "pg", durable=False, stop=stop):
        pass
    assert not (server_dir / "pg").exists()


def test_what_was_left_over_is_ended_and_strangers_are_not(tmp_path: Path) -> None:
    left = start(Program("left", ["sleep", "60"], os.environ))
    stranger = start(Program("stranger", ["sleep", "60"], os.environ))
    try:
        notebook = Notebook(tmp_path / "running.json")
        notebook.note(left)
        stranger.born -= 1000
        notebook.note(stranger)
        assert Notebook(notebook.path).end_left_over() == ["left"]
        assert left.process.wait(10) == -signal.SIGTERM
        assert stranger.ended() is None
    finally:
        left.stop()
        stranger.stop()


def test_a_program_that_cannot_start_says_which(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match="absent could not be started"):
        start(Program("absent", [str(tmp_path / "absent")], {}))
