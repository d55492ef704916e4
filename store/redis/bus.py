"""The bus: one connection on which a process hears the channels it asked for, in order.

Reading never waits for a handler: handlers are plain functions. After the connection is lost, every channel
is asked for again and `on_restored` is called, since what was said in between is gone.
"""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio import Connection, Redis
from redis.exceptions import RedisError

RETRY_S = 0.2
log = structlog.get_logger()

CONFIRM_S = 3.0
PING_S = 3.0
DEAF_AFTER_S = 10.0
"""A connection that does not even answer pings for this long is given up."""

Hear = Callable[[bytes], None]


class Bus:
    """Subscriptions to sharded channels. One handler a channel."""

    def __init__(
        self, redis: Redis, *, on_restored: Callable[[], None], on_lost: Callable[[], None] = lambda: None
    ) -> None:
        self._redis = redis
        self._on_lost = on_lost
        self._on_restored = on_restored
        self._handlers: dict[bytes, Hear] = {}
        self._confirmed: dict[bytes, asyncio.Future[None]] = {}
        self._wanted: list[tuple[str, bytes]] = []
        self._connection: Connection | None = None
        self._flushing = False
        self._restoring = False
        self._heard_s = 0.0
        self.connected = asyncio.Event()

    async def run(self) -> None:
        """Hear until cancelled, over as many connections as it takes."""
        lost = False
        while True:
            ping = asyncio.create_task(self._ping())
            try:
                with suppress(RedisError, OSError, TimeoutError):
                    await self._hear(lost)
            finally:
                ping.cancel()
                # In the turn in which the loss is noticed: nothing may be written as if nothing had happened.
                self._on_lost()
                await self._close()
            lost = True
            await asyncio.sleep(RETRY_S)

    def listen(self, channel: str, hear: Hear) -> None:
        """Hear a channel soon; for those who need not know since when."""
        name = channel.encode()
        self._handlers[name] = hear
        self._ask("SSUBSCRIBE", name)

    async def subscribe(self, channel: str, hear: Hear) -> None:
        """Hear a channel from now on. Returns once the store has confirmed it."""
        name = channel.encode()
        self._handlers[name] = hear
        confirmed = self._confirmed.get(name)
        if confirmed is None or confirmed.done():
            confirmed = self._confirmed[name] = asyncio.get_running_loop().create_future()
            self._ask("SSUBSCRIBE", name)
        async with asyncio.timeout(CONFIRM_S):
            await asyncio.shield(confirmed)

    def unsubscribe(self, channel: str) -> None:
        """Hear a channel no more."""
        name = channel.encode()
        if self._handlers.pop(name, None) is not None:
            self._confirmed.pop(name, None)
            self._ask("SUNSUBSCRIBE", name)

    async def _hear(self, lost: bool) -> None:
        connection: Connection = self._redis.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        await connection.connect()  # type: ignore[no-untyped-call]
        self._connection = connection
        self._wanted = []
        self._write(connection.pack_commands([("SSUBSCRIBE", name) for name in self._handlers]))
        self.connected.set()
        # Answered after all that was asked for: from then on nothing is missed.
        self._restoring = lost
        self._write(connection.pack_command("PING"))
        while True:
            self._take(await connection.read_response(timeout=math.inf, disconnect_on_error=False))

    async def _ping(self) -> None:
        self._heard_s = time.monotonic()
        while True:
            await asyncio.sleep(PING_S)
            if self._connection is not None:
                if time.monotonic() - self._heard_s > DEAF_AFTER_S:
                    await self._connection.disconnect(nowait=True)
                    return
                self._write(self._connection.pack_command("PING"))

    async def _close(self) -> None:
        self.connected.clear()
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.disconnect(nowait=True)

    def _take(self, message: Any) -> None:
        self._heard_s = time.monotonic()
        kind, name = message[0], message[1]
        if kind == b"pong" and self._restoring:
            self._restoring = False
            self._on_restored()
        elif kind == b"smessage":
            hear = self._handlers.get(name)
            if hear is not None:
                _hear_safely(hear, message[2])
        elif kind == b"ssubscribe":
            confirmed = self._confirmed.get(name)
            if confirmed is not None and not confirmed.done():
                confirmed.set_result(None)

    def _ask(self, verb: str, name: bytes) -> None:
        # Requests of one turn of the loop go out together; a new connection asks for everything by itself.
        self._wanted.append((verb, name))
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        wanted, self._wanted = self._wanted, []
        connection = self._connection
        if connection is not None and wanted:
            self._write([part for command in wanted for part in connection.pack_command(*command)])

    def _write(self, packed: list[bytes]) -> None:
        # redis-py offers no write that does not wait, and one here must not: a subscription is asked for in
        # the middle of a synchronous step. The pinned version's writer is a plain stream writer.
        writer = self._connection._writer if self._connection is not None else None
        if writer is not None and not writer.is_closing():
            writer.writelines(packed)


def _hear_safely(hear: Hear, message: bytes) -> None:
    """One handler's trouble must not make the process deaf for all others."""
    try:
        hear(message)
    except Exception:
        log.exception("bus.handler_failed")
