"""A client that answers pings and reads nothing, as a phone does whose radio has just enough left to send."""

import asyncio
import json
import socket
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect

RECEIVE_BUFFER_BYTES = 4_096
PONG_EVERY_S = 0.2


class StalledReader:
    """A line that joins a room and from then on takes nothing from its socket."""

    def __init__(self, line: ClientConnection) -> None:
        self._line = line
        self._ponging = asyncio.create_task(self._pong())

    @classmethod
    async def join(cls, hub: str, token: str, session_id: str) -> "StalledReader":
        """Connect, enter the room, and stop reading. The kernel is told to keep little for it."""
        address = urlsplit(hub)
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, (address.hostname, address.port))
        line = await connect(
            f"ws://{address.netloc}/socket.io/?EIO=4&transport=websocket",
            sock=raw,
            compression=None,
            ping_interval=None,
            max_queue=1,
            close_timeout=0.1,
        )
        await line.send("40" + json.dumps({"token": token}))
        await _read_until(line, "40")
        await line.send("420" + json.dumps(["room:join", {"session_id": session_id}]))
        joined = await _read_until(line, "430")
        assert json.loads(joined[3:])[0]["ok"], joined
        return cls(line)

    async def close(self) -> None:
        """Let everything go."""
        self._ponging.cancel()
        await asyncio.wait([self._ponging])
        self._line.transport.abort()

    async def _pong(self) -> None:
        while True:
            await self._line.send("3")
            await asyncio.sleep(PONG_EVERY_S)


async def _read_until(line: ClientConnection, start: str) -> str:
    while True:
        text = await line.recv(decode=True)
        if text == "2":
            await line.send("3")
        if text.startswith(start):
            return text
