"""The other side of the edge's tests: starts the server process, signs tokens, speaks the wire by hand."""

import asyncio
import base64
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Self

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

ROOT = Path(__file__).parents[3]
ISSUER = "http://issuer.test/auth/v1"
KID = "key-1"
PATIENCE_S = 20
"""After so long a test gives up; nothing is expected to take a certain time."""
PRIVATE = ec.generate_private_key(ec.SECP256R1())


def public_jwk() -> dict[str, Any]:
    described: dict[str, Any] = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(PRIVATE.public_key()))
    return described | {"kid": KID, "alg": "ES256", "use": "sig", "key_ops": ["verify"]}


def claims(**changes: Any) -> dict[str, Any]:
    """A good token's claims, changed; a change to `...` leaves the claim out."""
    now_s = int(time.time())
    good = {
        "iss": ISSUER,
        "aud": "authenticated",
        "role": "authenticated",
        "sub": str(uuid.uuid4()),
        "session_id": str(uuid.uuid4()),
        "iat": now_s,
        "exp": now_s + 3600,
        "aal": "aal1",
        "email": "someone@example.com",
        "is_anonymous": False,
        "app_metadata": {},
        "user_metadata": {"name": "Someone"},
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


def token(*, kid: object = KID, key: Any = PRIVATE, algorithm: str = "ES256", **changes: Any) -> str:
    headers: dict[str, Any] = {} if kid is None else {"kid": kid}
    return jwt.encode(claims(**changes), key, algorithm=algorithm, headers=headers)


def unsigned(header: dict[str, Any], body: dict[str, Any], signature: bytes = b"") -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    return ".".join(map(part, (json.dumps(header).encode(), json.dumps(body).encode(), signature)))


class Edge:
    """A running server process."""

    def __init__(
        self, port: int, http: aiohttp.ClientSession, process: asyncio.subprocess.Process | None = None
    ) -> None:
        self.started = process
        self.port = port
        self.http = http
        self.log: list[str] = []
        self.peers: list[Peer] = []

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self.started is not None
        return self.started

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def control(self, **asked: Any) -> None:
        async with self.http.post(f"{self.url}/control", json=asked) as answer:
            assert answer.status == 200

    async def state(self) -> dict[str, Any]:
        async with self.http.get(f"{self.url}/state") as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def until(self, **wanted: Any) -> dict[str, Any]:
        """Wait until the state is as wanted."""
        async with asyncio.timeout(PATIENCE_S):
            state = await self.state()
            while not all(state[name] == value for name, value in wanted.items()):
                await asyncio.sleep(0.02)
                state = await self.state()
            return state

    async def gone(self, count: int) -> list[tuple[str, str]]:
        async with asyncio.timeout(PATIENCE_S):
            while len((state := await self.state())["gone"]) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return [tuple(entry) for entry in state["gone"]]

    async def part(self) -> None:
        """Close what the test left open on this side."""
        for peer in self.peers:
            peer.socket.transport.abort()
            await peer.socket.wait_closed()

    async def upgrade(self, query: str = "EIO=4&transport=websocket", **headers: str) -> int:
        """The status of a WebSocket request; 101 if it was accepted."""
        try:
            async with connect(
                f"ws://127.0.0.1:{self.port}/socket.io/?{query}",
                additional_headers={name.replace("_", "-"): value for name, value in headers.items()},
                proxy=None,
            ):
                return 101
        except Exception as error:
            response = getattr(error, "response", None)
            if response is None:
                raise
            return int(response.status_code)


class Peer:
    """A client that speaks Engine.IO and Socket.IO by hand."""

    def __init__(self, socket_: ClientConnection) -> None:
        self.socket = socket_
        self.answer_pings = True
        self.events: list[Any] = []
        self._next = 0

    async def packet(self) -> str:
        """The next packet that isn't a ping."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                text = await self.socket.recv()
                assert isinstance(text, str)
                if text != "2":
                    return text
                if self.answer_pings:
                    await self.socket.send("3")

    async def event(self) -> list[Any]:
        """The next event: its name and arguments."""
        if self.events:
            return list(self.events.pop(0))
        text = await self.packet()
        assert text.startswith("42"), text[:100]
        return list(json.loads(text[2:]))

    async def emit(self, name: str, body: object, *, ack: bool = True) -> int:
        self._next += 1
        mark = str(self._next) if ack else ""
        await self.socket.send(f"42{mark}" + json.dumps([name, body]))
        return self._next

    async def answer(self) -> tuple[int, dict[str, Any]]:
        """The next acknowledgement; events that come before it are kept."""
        while (text := await self.packet()).startswith("42"):
            self.events.append(json.loads(text[2:]))
        assert text.startswith("43"), text[:100]
        start = text.index("[")
        return int(text[2:start]), json.loads(text[start:])[0]

    async def call(self, name: str, body: object) -> dict[str, Any]:
        number = await self.emit(name, body)
        answered, reply = await self.answer()
        assert answered == number
        return reply

    async def call_raw(self, array: str) -> dict[str, Any]:
        """Send the array of an event as it is, and get the answer."""
        self._next += 1
        await self.socket.send(f"42{self._next}{array}")
        return (await self.answer())[1]

    async def closed(self) -> tuple[int, str]:
        """Wait until the hub has closed the socket: its code and its words."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    text = await self.socket.recv()
                    if text == "2" and self.answer_pings:
                        await self.socket.send("3")
        except ConnectionClosed as closed:
            return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "")

    def reset(self) -> None:
        """Lose the connection without a word: the peer gets a TCP reset."""
        raw = self.socket.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.socket.transport.abort()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.socket.close()


async def unconnected(edge: Edge, **options: Any) -> Peer:
    """A socket that has read Engine.IO's greeting, and sent nothing."""
    url = f"ws://127.0.0.1:{edge.port}/socket.io/?EIO=4&transport=websocket"
    socket_ = await connect(
        url,
        proxy=None,
        compression=options.pop("compression", None),
        ping_interval=None,
        close_timeout=1,
        max_size=None,
        max_queue=None,
        **options,
    )
    peer = Peer(socket_)
    edge.peers.append(peer)
    opening = await peer.packet()
    assert opening.startswith("0{")
    return peer


async def knock(edge: Edge, auth: object, **options: Any) -> tuple[Peer, str]:
    """A socket that has shown `auth`, and the hub's answer to it."""
    peer = await unconnected(edge, **options)
    await peer.socket.send("40" + json.dumps(auth))
    return peer, await peer.packet()


async def connected(edge: Edge, given: str | None = None, **options: Any) -> Peer:
    """A connection that the hub accepted."""
    peer, answer = await knock(edge, {"token": given or token()}, **options)
    assert answer.startswith('40{"sid":'), answer
    return peer


async def refusal(edge: Edge, auth: object) -> dict[str, Any]:
    """The `data` of the `connect_error` that `auth` gets; then waits until the hub has reaped the socket."""
    peer, answer = await knock(edge, auth)
    assert answer.startswith("44"), answer
    await peer.closed()
    data: dict[str, Any] = json.loads(answer[2:])["data"]
    return data


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def running(**options: Any) -> AsyncIterator[Edge]:
    """A server process with these options; stopped at the end."""
    settings = _settings(options)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.edge.server",
        json.dumps(settings),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with aiohttp.ClientSession() as http:
        edge = Edge(settings["port"], http, process)
        reading = asyncio.create_task(_collect(process.stderr, edge.log))
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = await process.stdout.readline()
            assert line, "".join(edge.log)
            yield edge
        finally:
            # Nobody reads from here on, so what the hub still says must not wait for it either.
            if process.returncode is None:
                process.terminate()
            async with asyncio.timeout(PATIENCE_S):
                await process.wait()
                await reading
            await edge.part()
        assert process.returncode == 0, "".join(edge.log)[-3000:]


async def _collect(stream: asyncio.StreamReader, lines: list[str]) -> None:
    while line := await stream.readline():
        lines.append(line.decode())


@contextlib.contextmanager
def shared(log: Path, **options: Any) -> Iterator[int]:
    """A server process for many tests, its log in a file; yields its port."""
    settings = _settings(options)
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.edge.server", json.dumps(settings)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline(), log.read_text()
            yield int(settings["port"])
        finally:
            process.terminate()
            process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, log.read_text()[-3000:]


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    return {
        "port": free_port(),
        "jwk": public_jwk(),
        "issuer": ISSUER,
        "jwks_url": "http://127.0.0.1:PORT/jwks",
    } | options
