"""Processes that are started with the wrong keys: each ends at once, and one line says which one it is."""

import asyncio
import base64
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from config.settings import load
from hub import lifespan
from sandbox.environment import Addresses
from sandbox.postgres import PostgresAddress
from store.privacy.keys import Keyring
from tests.conftest import TEMPLATE
from tests.stack import hub_env, process_env

ROOT = Path(__file__).parents[2]
OLD, NEW, OTHER = (base64.b64encode(bytes(range(n, n + 32))).decode() for n in range(3))


class Installation:
    """A database, and processes on it with whatever keys a test gives them."""

    def __init__(self, owner_dsn: str, env: dict[str, str]) -> None:
        self.owner_dsn = owner_dsn
        self.env = env

    def settings(self, key: str, previous: str = "") -> dict[str, str]:
        given = {**self.env, "DATA_KEY": key}
        return {**given, "DATA_KEY_PREVIOUS": previous} if previous else given

    async def command(self, name: str, key: str, previous: str = "") -> tuple[int, str, str]:
        """`python -m hub …` until its end: its exit code, its output, its errors."""
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-m", "hub", name], cwd=ROOT, capture_output=True, text=True,
            env={**self.settings(key, previous), "PATH": os.environ["PATH"]}, check=False,
        )  # fmt: skip
        assert not any(one in done.stdout + done.stderr for one in (OLD, NEW, OTHER))
        return done.returncode, done.stdout, done.stderr

    async def refusal(self, name: str, key: str, previous: str = "") -> str:
        """What a process says that does not start."""
        code, _, told = await self.command(name, key, previous)
        assert code == 2
        head, _, line = told.rstrip("\n").partition("\n  ")
        assert head == "bad settings:"
        assert "\n" not in line
        return line

    async def sealed(self, key: str, previous: str = "", *, count: int = 3) -> dict[str, bytes]:
        """People whose keys are made by a process with these keys, and what each sealed."""
        settings = load(self.settings(key, previous))
        async with lifespan.postgres_pool(settings) as pool:
            ring = await lifespan.keyring(settings, pool)
            made = [str(uuid4()) for _ in range(count)]
            return {one: (await ring.load(one)).seal(b"a", b"words") for one in made}

    async def opens(self, sealed: dict[str, bytes], key: str) -> bool:
        settings = load(self.settings(key))
        async with lifespan.postgres_pool(settings) as pool:
            ring: Keyring = await lifespan.keyring(settings, pool)
            return all([(await ring.find(one)).open(b"a", text) == b"words" for one, text in sealed.items()])

    async def sql(self, statement: str) -> None:
        connection = await asyncpg.connect(self.owner_dsn)
        await connection.execute(statement)
        await connection.close()


@pytest.fixture
async def installation(
    postgres_cluster: PostgresAddress, migrated_template: PostgresAddress, valkey: str, tmp_path: Path
) -> AsyncIterator[Installation]:
    name = f"data_key_{uuid4().hex}"
    postgres_cluster.server.query(f"create database {name} template {TEMPLATE}")
    database = postgres_cluster.database(name)
    addresses = Addresses(8000, 8001, database.owner_dsn, database.hub_dsn, valkey)
    yield Installation(database.owner_dsn, process_env(hub_env(addresses, tmp_path, {}), tmp_path))
    postgres_cluster.server.query(f"drop database {name} with (force)")


@pytest.mark.parametrize("process", ["web", "worker", "check", "audit-key", "rotate-key"])
async def test_no_process_starts_with_the_wrong_key(installation: Installation, process: str) -> None:
    await installation.sealed(OLD)
    line = await installation.refusal(process, NEW)
    assert line.startswith("DATA_KEY: is not the key that this database was written with")


async def test_each_mix_up_has_a_line_of_its_own(installation: Installation) -> None:
    sealed = await installation.sealed(OLD)
    assert (await installation.refusal("worker", OLD, OTHER)).startswith("DATA_KEY_PREVIOUS: holds a key")
    assert "same key" in await installation.refusal("worker", OLD, OLD)
    # A new key is introduced, and before anything else is done with it both orders are tried.
    await installation.sealed(NEW, OLD)
    assert "swapped" in await installation.refusal("worker", OLD, NEW)
    assert (await installation.refusal("worker", NEW)).startswith("DATA_KEY_PREVIOUS: lacks version 1")
    assert (await installation.command("rotate-key", NEW, OLD))[0] == 0
    assert (await installation.refusal("worker", OLD)).startswith("DATA_KEY: is version 1")
    await installation.sql("update key_canaries set sealed = sealed || 'x' where key_version = 2")
    assert "key_canaries was changed" in await installation.refusal("worker", NEW)
    await installation.sql("delete from key_canaries where key_version = 2")
    assert await installation.opens(sealed, NEW)


async def test_an_exchange_from_beginning_to_end(installation: Installation) -> None:
    """Restart with both keys, `rotate-key`, restart without the old one; the audit's key stays the same."""
    sealed = await installation.sealed(OLD)
    _, public, _ = await installation.command("audit-key", OLD)
    code, told, _ = await installation.command("rotate-key", NEW, OLD)
    assert code == 0
    assert told.splitlines()[0] == "4 keys are wrapped by an older DATA_KEY than version 2."
    assert told.splitlines()[-1] == "Version 2 wraps every key: DATA_KEY_PREVIOUS may go."
    code, told, _ = await installation.command("rotate-key", NEW)
    assert (code, told.splitlines()[0]) == (0, "0 keys are wrapped by an older DATA_KEY than version 2.")
    assert await installation.opens(sealed, NEW)
    assert (await installation.command("audit-key", NEW))[1] == public
