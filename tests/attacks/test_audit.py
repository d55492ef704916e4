"""Whoever owns the database cuts, edits and forges the audit chain; `python -m hub check` notices."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from config.settings import Settings, load
from hub import check, lifespan
from hub.workers.heads import Heads
from rooms import audit as rules
from sandbox.environment import Addresses
from sandbox.postgres import PostgresAddress
from store.postgres import audit
from store.postgres.pool import connect
from store.privacy.keys import Keyring
from store.privacy.signing import HeadKey
from store.redis import audit_head
from store.redis.connect import connect as connect_redis
from tests.conftest import TEMPLATE
from tests.stack import hub_env, process_env

ROOT = Path(__file__).parents[2]
T0 = 1_790_000_000_000


class Victim:
    """A database with a chain of nine entries, heads at the third, sixth and ninth, and the live store."""

    def __init__(self, database: PostgresAddress, redis: Redis, env: dict[str, str]) -> None:
        self.database = database
        self.redis = redis
        self.env = env
        self.settings: Settings = load(env)
        self.key: HeadKey

    async def keyring(self, pool: asyncpg.Pool) -> Keyring:
        return await lifespan.keyring(self.settings, pool)

    async def fill(self) -> None:
        pool = await connect(self.database.hub_dsn, size=2)
        keyring = await self.keyring(pool)
        self.key = HeadKey(keyring.root)
        heads = Heads(pool, self.redis, self.key, keyring, every_ms=0, most=3, now_ms=lambda: T0)
        for _ in range(3):
            for _ in range(3):
                await audit.append(
                    pool, actor_id=str(uuid4()), actor_role="moderator", action="moderator_observed",
                    subject_id=None, session_id=str(uuid4()), detail={"reason": "A report came."}, now_ms=T0,
                    keyring=keyring,
                )  # fmt: skip
            assert await heads.run_once() == 1
        await pool.close()

    async def damage(self, *statements: str) -> None:
        """As the superuser, with every trigger off."""
        connection = await asyncpg.connect(self.database.owner_dsn)
        await connection.execute("set session_replication_role = replica")
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    async def check(self) -> list[str]:
        """What the check says of the chain."""
        pool = await connect(self.database.hub_dsn, size=1)
        try:
            return (await check.audit_walk(pool, load(self.env))).problems
        finally:
            await pool.close()

    async def command(self) -> tuple[int, str]:
        """The same by the command: its exit code, and what it prints of the chain."""
        environ = {**self.env, "PATH": os.environ["PATH"]}
        done = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-m", "hub", "check"], env=environ, cwd=ROOT,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        _, _, told = done.stdout.partition("audit_chain")
        return done.returncode, told.partition("holds   privacy_registry")[0]

    async def rechain(self, after: int = 0) -> None:
        """As the superuser, edit every entry and compute the chain anew; digests are no secret."""
        connection = await asyncpg.connect(self.database.owner_dsn)
        await connection.execute("set session_replication_role = replica")
        rows = await connection.fetch("select * from audit_entries where n > $1 order by n", after)
        prev = rows[0]["prev"]
        for row in rows:
            entry = rules.Entry(**{**dict(row.items()), "prev": prev, "actor_id": "nobody"})
            prev = rules.digest(entry)
            await connection.execute(
                "update audit_entries set actor_id = 'nobody', prev = $2, digest = $3 where n = $1",
                entry.n, entry.prev, prev,
            )  # fmt: skip
        await connection.close()

    async def signs(self) -> int:
        """Whether the duty signs what it finds."""
        pool = await connect(self.database.hub_dsn, size=2)
        keyring = await self.keyring(pool)
        heads = Heads(pool, self.redis, self.key, keyring, every_ms=0, most=1, now_ms=lambda: T0 + 1)
        signed = await heads.run_once()
        await pool.close()
        return signed


@pytest.fixture
async def victim(
    postgres_cluster: PostgresAddress, migrated_template: PostgresAddress, valkey: str, tmp_path: Path
) -> AsyncIterator[Victim]:
    name = f"audit_{uuid4().hex}"
    postgres_cluster.server.query(f"create database {name} template {TEMPLATE}")
    database = postgres_cluster.database(name)
    addresses = Addresses(8000, 8001, database.owner_dsn, database.hub_dsn, valkey)
    redis = connect_redis(valkey)
    made = Victim(database, redis, process_env(hub_env(addresses, tmp_path, {}), tmp_path))
    await made.fill()
    yield made
    await redis.aclose()
    postgres_cluster.server.query(f"drop database {name} with (force)")


async def test_untouched_it_holds(victim: Victim) -> None:
    assert await victim.check() == []
    assert await victim.command() == (0, "\n")


async def test_the_command_says_so_and_fails(victim: Victim) -> None:
    await victim.damage("delete from audit_entries where n > 7")
    code, told = await victim.command()
    assert code == 1
    assert told.startswith(": ")
    assert "entries after 7 are gone" in told


DAMAGE = {
    "an entry is edited": (
        ["update audit_entries set actor_id = 'nobody' where n = 4"],
        "entry 4 was changed",
    ),
    "a detail is edited": (["update audit_entries set detail = '{}' where n = 9"], "entry 9 was changed"),
    "an entry is deleted": (["delete from audit_entries where n = 5"], "between entry 4 and entry 6"),
    "the first is deleted": (["delete from audit_entries where n = 1"], "between entry 0 and entry 2"),
    "two change places": (
        [
            "update audit_entries set n = 400 where n = 4",
            "update audit_entries set n = 4 where n = 5",
            "update audit_entries set n = 5 where n = 400",
        ],
        "does not follow",
    ),
    "the end is cut off": (["delete from audit_entries where n > 7"], "entries after 7 are gone"),
    "end and heads are cut off": (
        ["delete from audit_entries where n > 6", "delete from audit_heads where n > 6"],
        "the live store has a head at 9",
    ),
    "all of it is cut off": (
        ["delete from audit_entries", "delete from audit_heads"],
        "the live store has a head at 9",
    ),
    "a head is forged": (
        ["update audit_heads set signed_at_ms = signed_at_ms + 1 where n = 6"],
        "the head at entry 6 was not signed by this key",
    ),
    "a head is moved": (
        ["delete from audit_heads where n = 6", "update audit_heads set n = 6 where n = 3"],
        "the head at entry 6 was not signed by this key",
    ),
    "a reason is edited": (
        ["update audit_texts set text = 'None.' where n = 2"],
        "beside entry 2 was changed",
    ),
    "a reason is deleted": (["delete from audit_texts where n = 2"], "beside entry 2 is missing"),
    "a reason is made up": (
        [
            "insert into audit_texts (n, name, salt, text, sealed_for)"
            " values (2, 'note', substr(sha256(''), 1, 16), 'x', gen_random_uuid())"
        ],
        "the note beside entry 2 is of no entry",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
async def test_it_is_noticed_that(victim: Victim, what: str) -> None:
    statements, told = DAMAGE[what]
    await victim.damage(*statements)
    assert told in "\n".join(await victim.check())


async def test_a_whole_chain_made_anew_has_no_signed_heads(victim: Victim) -> None:
    """The digests are no secret: whoever can write can chain anew. Only the signatures are in the way."""
    await victim.rechain()
    assert "was signed over another entry" in "\n".join(await victim.check())


async def test_a_head_in_the_live_store_is_not_believed_unsigned(victim: Victim) -> None:
    head = await audit_head.kept(victim.redis)
    assert head is not None
    await audit_head.keep(victim.redis, replace(head, signed_at_ms=head.signed_at_ms + 1))
    assert await victim.check() == ["the head kept in the live store at entry 9 was not signed by this key"]


async def cut(victim: Victim) -> None:
    await victim.damage("delete from audit_entries where n > 6", "delete from audit_heads where n > 6")


async def edited(victim: Victim) -> None:
    await victim.damage(
        "delete from audit_heads where n > 6", "update audit_entries set at_ms = 0 where n = 8"
    )


async def made_anew(victim: Victim) -> None:
    """Everything is edited and chained anew, and the heads are written over it by hand."""
    await victim.rechain()
    await victim.damage(
        "update audit_heads set digest = audit_entries.digest from audit_entries"
        " where audit_entries.n = audit_heads.n"
    )


async def without_heads(victim: Victim) -> None:
    """Chained anew, and no head is left but that of the live store."""
    await victim.rechain()
    await victim.damage("delete from audit_heads")


async def without_the_last_head(victim: Victim) -> None:
    """What follows the last head but one is chained anew: only the live store knows better."""
    await victim.rechain(after=6)
    await victim.damage("delete from audit_heads where n > 6")


@pytest.mark.parametrize("attack", [cut, edited, made_anew, without_heads, without_the_last_head])
async def test_a_damaged_chain_is_never_signed(
    victim: Victim, attack: Callable[[Victim], Awaitable[None]]
) -> None:
    await attack(victim)
    before = await audit_head.kept(victim.redis)
    assert await victim.signs() == 0
    assert await audit_head.kept(victim.redis) == before
    connection = await asyncpg.connect(victim.database.owner_dsn)
    kinds = await connection.fetch("select kind from cases where closed_at_ms is null")
    await connection.close()
    assert [row["kind"] for row in kinds] == ["audit_chain_broken"]


async def test_a_head_that_somebody_wrote_into_the_live_store_is_reported_and_replaced(
    victim: Victim,
) -> None:
    head = await audit_head.kept(victim.redis)
    assert head is not None
    await audit_head.keep(victim.redis, replace(head, n=10**6))
    await victim.signs()
    assert await audit_head.kept(victim.redis) == head
    connection = await asyncpg.connect(victim.database.owner_dsn)
    assert await connection.fetchval("select count(*) from cases where kind = 'audit_chain_broken'") == 1
    await connection.close()
    assert await victim.check() == []


async def test_without_the_live_store_it_does_not_say_that_all_is_well(victim: Victim) -> None:
    victim.env["REDIS_URL"] = "redis://127.0.0.1:1/0"
    (problem,) = await victim.check()
    assert "was not compared" in problem


async def test_the_public_key_is_printed_for_anybody_to_verify_with(victim: Victim) -> None:
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "hub", "audit-key"],
        env={**victim.env, "PATH": os.environ["PATH"]}, cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == f"ed25519 {victim.key.id} {victim.key.public.hex()}\n"
