"""A pooler as hosted databases put in front of themselves: it lends a server connection for one transaction.

It resets nothing, and lends a client another connection each time it can, so that whatever was meant to
outlive a transaction is not there any more. What could only work by luck it notes as a violation.
"""

import asyncio
import re
import threading
from collections import Counter
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

PORT: Final = 6543
SSL_REQUEST, GSS_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
AUTHENTICATED: Final = b"R\x00\x00\x00\x08\x00\x00\x00\x00"
READY: Final = b"Z\x00\x00\x00\x05I"
OUTLIVES: Final = re.compile(
    r"^\s*(listen|unlisten|prepare|deallocate|discard|create\s+temp|declare|set\s+(?!local|transaction|constraints)"
    r"|reset)\b|pg_(try_)?advisory_(un)?lock(_shared|_all)?\s*\(|set_config\([^()]*,\s*false\s*\)",
    re.IGNORECASE,
)


class Whose(NamedTuple):
    """Connections are lent among clients of the same user and database."""

    user: str
    database: str


class Backend:
    """One connection to the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.greeting, self.key = b"", b""

    async def greet(self, whose: Whose) -> None:
        """Sign in, where the server trusts us, and keep what it says of itself."""
        told = b"".join(
            f"{k}\0{v}\0".encode() for k, v in (("user", whose.user), ("database", whose.database))
        )
        body = (196608).to_bytes(4, "big") + told + b"client_encoding\0utf-8\0\0"
        self.writer.write((len(body) + 4).to_bytes(4, "big") + body)
        while True:
            raw = await message(self.reader)
            if raw[:1] == b"E":
                raise ConnectionError(raw)
            if raw[:1] == b"S":
                self.greeting += raw
            if raw[:1] == b"K":
                self.key = raw[5:]
            if raw[:1] == b"Z":
                return


class Client:
    """One client's turn-taking. `inbox` holds whole messages; None is the end."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.inbox: asyncio.Queue[bytes | None] = asyncio.Queue(1_000)
        self.getting: asyncio.Task[bytes | None] | None = None
        self.backend: Backend | None = None


class Pooler:
    """Runs in a thread of its own. `server` and `directory` hold the sockets of the server and of this."""

    def __init__(self, server: Path, directory: Path, *, size: int = 4) -> None:
        self.server, self.directory, self.size = server / ".s.PGSQL.5432", directory, size
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self._idle: dict[Whose, asyncio.Queue[Backend]] = {}
        self._clients: dict[bytes, Client] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="pooler", daemon=True)

    def dsn(self, user: str, database: str) -> str:
        """Where clients of this user come."""
        return f"postgresql://{user}@/{database}?host={quote(str(self.directory))}&port={PORT}"

    def start(self) -> "Pooler":
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _listen(self) -> None:
        path = self.directory / f".s.PGSQL.{PORT}"
        self._server = await asyncio.start_unix_server(self._came, path)

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for idle in self._idle.values():
            while not idle.empty():
                idle.get_nowait().writer.close()

    def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = Client(writer)
        key = b""
        reading: asyncio.Task[None] | None = None
        try:
            whose = await self._welcome(reader, writer)
            if whose is None:
                return
            key = len(self._clients).to_bytes(4, "big") + self.counts.total().to_bytes(4, "big")
            self._clients[key] = client
            idle = await self._lending(whose)
            first = await idle.get()
            idle.put_nowait(first)
            writer.write(AUTHENTICATED + first.greeting + b"K\x00\x00\x00\x0c" + key + READY)
            reading = self._loop.create_task(read_all(reader, client.inbox))
            last: Backend | None = None
            while (raw := await self._next(client)) is not None and raw[:1] != b"X":
                last = await self._lend(client, whose, last, raw)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._clients.pop(key, None)
            for task in (reading, client.getting):
                if task is not None:
                    task.cancel()
            writer.close()

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Whose | None:
        while True:
            size = int.from_bytes(await reader.readexactly(4), "big")
            body = await reader.readexactly(size - 4)
            code = int.from_bytes(body[:4], "big")
            if code in (SSL_REQUEST, GSS_REQUEST):
                writer.write(b"N")
            elif code == CANCEL_REQUEST:
                await self._cancel(body[4:])
                return None
            else:
                words = body[4:].decode().split("\0")
                told = dict(zip(words[::2], words[1::2], strict=False))
                return Whose(told["user"], told.get("database", told["user"]))

    async def _cancel(self, key: bytes) -> None:
        client = self._clients.get(key)
        if client is not None and client.backend is not None:
            self.counts["cancelled"] += 1
            _, writer = await asyncio.open_unix_connection(self.server)
            writer.write(b"\0\0\0\x10" + CANCEL_REQUEST.to_bytes(4, "big") + client.backend.key)
            writer.close()

    async def _lending(self, whose: Whose) -> asyncio.Queue[Backend]:
        if whose not in self._idle:
            idle: asyncio.Queue[Backend] = asyncio.Queue()
            self._idle[whose] = idle
            for _ in range(self.size):
                idle.put_nowait(await self._backend(whose))
        return self._idle[whose]

    async def _backend(self, whose: Whose) -> Backend:
        backend = Backend(*await asyncio.open_unix_connection(self.server))
        await backend.greet(whose)
        return backend

    async def _lend(self, client: Client, whose: Whose, last: Backend | None, raw: bytes) -> Backend:
        """One transaction of a client's, on another connection than its last one where there is one."""
        idle = self._idle[whose]
        backend = await idle.get()
        if backend is last and not idle.empty():
            backend, other = idle.get_nowait(), backend
            idle.put_nowait(other)
        self.counts["lent"] += 1
        self.counts["moved"] += last is not None and backend is not last
        client.backend = backend
        whole = False
        try:
            whole = await self._transact(client, backend, raw)
        finally:
            client.backend = None
            if not whole:
                backend.writer.close()
                backend = await self._backend(whose)
            idle.put_nowait(backend)
        return backend

    async def _transact(self, client: Client, backend: Backend, raw: bytes | None) -> bool:
        """Pass messages on until the server is outside of a transaction; False when the client left."""
        owed, answering = 0, None
        try:
            while True:
                if raw is not None:
                    self._look(raw)
                    owed += raw[:1] in b"QS"
                    backend.writer.write(raw)
                    raw = None
                answering = answering or asyncio.ensure_future(message(backend.reader))
                client.getting = client.getting or asyncio.ensure_future(client.inbox.get())
                await asyncio.wait((answering, client.getting), return_when=asyncio.FIRST_COMPLETED)
                if answering.done():
                    answer, answering = answering.result(), None
                    client.writer.write(answer)
                    owed -= answer[:1] == b"Z"
                    if answer[:1] == b"Z" and answer[5:6] == b"I" and owed == 0:
                        return True
                elif client.getting.done():
                    raw, client.getting = client.getting.result(), None
                    if raw is None or raw[:1] == b"X":
                        return False
        finally:
            if answering is not None:
                answering.cancel()

    async def _next(self, client: Client) -> bytes | None:
        if client.getting is not None:
            raw = await client.getting
            client.getting = None
            return raw
        return await client.inbox.get()

    def _look(self, raw: bytes) -> None:
        kind, body = raw[:1], raw[5:]
        if kind == b"P":
            name, text = body.split(b"\0")[:2]
            if name:
                self.violations.append(f"a named statement: {text[:200].decode()}")
        elif kind == b"Q":
            text = body.rstrip(b"\0")
        else:
            return
        # For types that it does not know the driver turns `jit` off for a moment: no result depends on it.
        if OUTLIVES.search(text.decode()) and b"'jit'" not in text:
            self.violations.append(text[:200].decode())


async def message(reader: asyncio.StreamReader) -> bytes:
    """One whole message of the protocol: its kind, its length, what it says."""
    head = await reader.readexactly(5)
    return head + await reader.readexactly(int.from_bytes(head[1:], "big") - 4)


async def read_all(reader: asyncio.StreamReader, inbox: "asyncio.Queue[bytes | None]") -> None:
    """Put every message into the inbox, and None in the end."""
    try:
        while True:
            await inbox.put(await message(reader))
    except (ConnectionError, asyncio.IncompleteReadError):
        await inbox.put(None)
