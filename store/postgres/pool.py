"""Connections to Postgres: the pool of a process, a person's own reads, and waiting for notices."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from rooms.ids import UserId

TRANSACTION_POOLER_PORT = "6543"
"""Where Supabase's pooler lends a connection for one transaction only: nothing may outlive it there."""

COMMAND_TIMEOUT_S = 30.0
RECONNECT_S = 1.0


class Db(Protocol):
    """What a query needs: a pool, or a connection whose transaction it shall be part of."""

    async def execute(self, query: str, /, *args: object) -> str:
        """Run a statement; its command tag."""

    async def fetch(self, query: str, /, *args: object) -> list[asyncpg.Record]:
        """All rows."""

    async def fetchrow(self, query: str, /, *args: object) -> asyncpg.Record | None:
        """The first row."""

    async def fetchval(self, query: str, /, *args: object) -> Any:
        """The first column of the first row."""


Transacting = asyncpg.Connection | PoolConnectionProxy
"""A connection inside a transaction that the caller opened."""


async def connect(dsn: str, *, size: int, lent: bool = False) -> asyncpg.Pool:
    """A pool of at most `size` connections, with UUIDs as text and jsonb as Python values.

    `lent`: a pooler lends a connection for one transaction only. Behind Supabase's port that is known.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        init=_speak_our_types,
        reset=_nothing_to_reset,
        command_timeout=COMMAND_TIMEOUT_S,
        # A prepared statement lives in one server connection; that pooler lends another each time.
        statement_cache_size=0 if lent or behind_transaction_pooler(dsn) else 200,
    )


def behind_transaction_pooler(dsn: str) -> bool:
    """Whether the address is that of a pooler which lends a connection for one transaction only."""
    address = urlsplit(dsn)
    ports = [place.rpartition(":")[2] for place in address.netloc.rpartition("@")[2].split(",")]
    return TRANSACTION_POOLER_PORT in ports + parse_qs(address.query).get("port", [])


async def _speak_our_types(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("uuid", schema="pg_catalog", encoder=str, decoder=str)
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: msgspec.json.encode(value).decode(),
        decoder=msgspec.json.decode,
    )


async def _nothing_to_reset(_: asyncpg.Connection) -> None:
    """Save a round trip at every release.

    What we set ends with its transaction (`set_config(…, true)`, `pg_advisory_xact_lock`), and notices come
    over connections outside the pool. The driver itself rolls back a transaction that was left open.
    """


@contextlib.asynccontextmanager
async def acting_as(pool: asyncpg.Pool, user_id: UserId) -> AsyncIterator[Transacting]:
    """A read-only transaction in which row-level security shows what is this person's, and nothing else."""
    claims = msgspec.json.encode({"sub": user_id, "role": "authenticated"}).decode()
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        # One trip for both; both end with the transaction, also when the pooler keeps the connection.
        await connection.execute(
            "select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)",
            claims,
        )
        yield connection


@contextlib.asynccontextmanager
async def erasing(pool: asyncpg.Pool) -> AsyncIterator[Transacting]:
    """A transaction as the role that may remove people from the record, and may do nothing else."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("select set_config('role', 'hub_eraser', true)")
        yield connection


@contextlib.asynccontextmanager
async def retaining(pool: asyncpg.Pool) -> AsyncIterator[Transacting]:
    """A transaction as the role that may remove what is too old, and may do nothing else."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("select set_config('role', 'hub_retention', true)")
        yield connection


async def listen(
    dsn: str,
    channel: str,
    wake: Callable[[str], None],
    *,
    pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> None:
    """Call `wake(payload)` at every notice on `channel`, until cancelled; never through a pooler.

    Notices sent while the connection was away are gone, so `wake("")` is called after each connect.
    """
    while True:
        try:
            await _listen_once(dsn, channel, wake)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
            await pause(RECONNECT_S)


async def _listen_once(dsn: str, channel: str, wake: Callable[[str], None]) -> None:
    """One connection's life; returns when the server ends it."""
    connection = await asyncpg.connect(dsn)
    lost = asyncio.Event()
    connection.add_termination_listener(lambda _: lost.set())
    try:
        await connection.add_listener(
            channel, lambda _connection, _pid, _channel, payload: wake(str(payload))
        )
        wake("")
        await lost.wait()
    finally:
        connection.terminate()
