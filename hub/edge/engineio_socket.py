"""One Engine.IO socket: what is different from the library's own, and why.

- **Sending** writes a finished frame straight to the transport. The library's queue has no bound, and its
  close waits for that queue to empty, which a stalled reader never lets happen. Here the transport's own
  buffer is the only queue; whoever lets it grow over the bound, or takes nothing from one ping to the next,
  is disconnected.
- **Receiving** calls a synchronous function per packet, in the one task that the HTTP request has anyway.
- **Pings** are a timer, not a task; each packet of any kind is noted as proof of life.
- **Ending** is one synchronous function that may be called any number of times, from anywhere.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from aiohttp import WSMessage, WSMsgType, web
from engineio.async_socket import AsyncSocket
from engineio.packet import OPEN, Packet

from hub.edge.connection import Frame, text_frame
from hub.errors import log_unexpected

if TYPE_CHECKING:
    from hub.edge.engineio_house import HouseEngine

PING = text_frame(b"2").data
PONG, CLOSE, MESSAGE = "3", "1", "4"
WEBSOCKET_PONG = 0x8A
CLOSE_CODES = {"client disconnect": 1000, "draining": 1001, "server_shutdown": 1001, "too_large": 1009}
CLOSE_CODE_DEFAULT = 1008
"""Policy violation: what most reasons of this hub are."""
FLUSH_WITHIN_S = 5.0
"""How long a closing transport may take to send what it still holds."""


class Listener(Protocol):
    """Whom a house socket tells what happens on it."""

    def message(self, line: "HouseSocket", text: str) -> None:
        """A Socket.IO packet came in."""

    def ended(self, line: "HouseSocket", reason: str) -> None:
        """The socket is closed; called once, from within `end`."""


class HouseSocket(AsyncSocket):  # type: ignore[misc]  # The library has no types.
    """One Engine.IO socket over one WebSocket. It is the `Line` under a `Connection`."""

    def __init__(self, server: "HouseEngine", sid: str, request: web.Request, address: str) -> None:
        super().__init__(server, sid)
        self.closed = False
        self.request = request
        self.address = address
        self.heard_s = server.monotonic()
        self.over_limit_ms = 0
        """If not 0, the address connects too often, and has this long to wait."""
        self.language: object = None
        """The language its client asked for, as it came."""
        self.authenticated = False
        self.refused = False
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unanswered = False
        self._written = 0
        self._taken_at_ping = 0
        self._condemned = False

    def write(self, data: bytes) -> None:
        """Write whole frames. Never blocks, raises or calls back; after the end, it does nothing."""
        transport = self._transport
        if transport is None or self.closed or transport.is_closing():
            return
        try:
            transport.write(data)
            self._written += len(data)
            if transport.get_write_buffer_size() > self.server.numbers.write_buffer_max_bytes:
                self._condemn("too_slow")
        except (RuntimeError, OSError):
            # A transport that lost its peer in this very moment raises under uvloop.
            self._condemn("transport error")

    async def send(self, pkt: Packet) -> None:
        """The library's way to send; it ends on the same transport, so the order holds."""
        encoded = pkt.encode()
        if isinstance(encoded, str):
            self.write(text_frame(encoded.encode()).data)

    def _condemn(self, reason: str) -> None:
        """End in the loop's next turn, so that nobody who is only sending is called back from it."""
        if not self._condemned:
            self._condemned = True
            asyncio.get_running_loop().call_soon(self.end, reason)

    async def serve(self) -> web.StreamResponse:
        """Open the WebSocket and read until it ends, whichever side ends it."""
        numbers = self.server.numbers
        # Pings, pongs and close frames come to us as well: each is proof that the client is there.
        # The library refuses a message as large as its bound, hence the one byte more.
        websocket = web.WebSocketResponse(
            compress=False,
            autoping=False,
            autoclose=False,
            timeout=1.0,
            max_msg_size=numbers.frame_max_bytes + 1,
        )
        reason = "transport close"
        try:
            await websocket.prepare(self.request)
            self._transport = self.request.transport
            self.connected = self.upgraded = True
            self.write(_open_packet(self.sid, self.server).data)
            self._after(numbers.authenticate_within_s, self._unauthenticated)
            reason = await self._read(websocket)
        finally:
            self.end(reason)
            await self.server._trigger_event("disconnect", self.sid, reason, run_async=False)
        return websocket

    async def _read(self, websocket: web.WebSocketResponse) -> str:
        """Why there is nothing more to read."""
        while not self.closed:
            received = await websocket.receive()
            if received.type is WSMsgType.TEXT:
                self.heard_s = self.server.monotonic()
                try:
                    self._packet(received.data)
                except Exception as error:  # noqa: BLE001  The library's log would print the packet.
                    log_unexpected(error, where="socket")
                    return "unavailable"
            elif received.type is WSMsgType.BINARY:
                return "binary"
            elif received.type in {WSMsgType.PING, WSMsgType.PONG, WSMsgType.CLOSE}:
                self.heard_s = self.server.monotonic()
                if received.type is WSMsgType.CLOSE:
                    return "client disconnect" if received.data == 1000 else "transport close"
                self._control(received)
            else:
                return _read_failure(received)
        return "closed"

    def _packet(self, text: str) -> None:
        kind = text[:1]
        if kind == MESSAGE:
            self.server.listener.message(self, text)
        elif kind == PONG:
            if self._unanswered:
                self._unanswered = False
                self._after(self.server.numbers.ping_interval_s, self._ping)
        elif kind == CLOSE:
            self.end("client disconnect")
        else:
            # An upgrade, a probe, or something that this protocol doesn't have.
            self.end("protocol")

    def _control(self, received: WSMessage) -> None:
        if received.type is WSMsgType.PING:
            self.write(bytes((WEBSOCKET_PONG, len(received.data))) + bytes(received.data))

    def _unauthenticated(self) -> None:
        self.end("never authenticated")

    def accepted(self) -> None:
        """The token was accepted: from here on, pings ask whether the client is still there."""
        self.authenticated = True
        self._after(self.server.numbers.ping_interval_s, self._ping)

    def refuse(self, frame: Frame) -> None:
        """Tell the client why it may not connect, and reap the socket if it doesn't leave by itself."""
        self.refused = True
        self.write(frame.data)
        self._after(self.server.numbers.refused_linger_s, lambda: self.end("refused"))

    def _ping(self) -> None:
        transport = self._transport
        waiting = transport.get_write_buffer_size() if transport is not None else 0
        taken = self._written - waiting
        if waiting and taken == self._taken_at_ping:
            self.end("too_slow")
            return
        self._taken_at_ping = taken
        self._unanswered = True
        self.write(PING)
        self._after(self.server.numbers.ping_timeout_s, self._overdue)

    def _overdue(self) -> None:
        self.end("ping timeout")

    def _after(self, delay_s: float, call: Callable[[], None]) -> None:
        """There is one timer; each new step of a socket's life replaces the step before."""
        if self._timer is not None:
            self._timer.cancel()
        if not self.closed:
            self._timer = asyncio.get_running_loop().call_later(delay_s, call)

    def end(self, reason: str) -> None:
        """Close for good. What was written before is still sent, unless the reader is too slow for it."""
        if self.closed:
            return
        transport = self._transport
        if transport is not None and reason != "too_slow":
            self.write(_close_frame(reason))
        self.closing = self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        if transport is not None:
            _close_transport(transport, at_once=reason == "too_slow")
        self.server.forget(self)
        self.server.listener.ended(self, reason)

    async def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """The library's way to close: the same end, with nothing to wait for."""
        self.end(reason or "server disconnect")


def _open_packet(sid: str, engine: "HouseEngine") -> Frame:
    numbers = engine.numbers
    packet = Packet(
        OPEN,
        {
            "sid": sid,
            "upgrades": [],
            "pingTimeout": int(numbers.ping_timeout_s * 1000),
            "pingInterval": int(numbers.ping_interval_s * 1000),
            "maxPayload": numbers.frame_max_bytes,
        },
    )
    return text_frame(packet.encode().encode())


def _close_frame(reason: str) -> bytes:
    body = CLOSE_CODES.get(reason, CLOSE_CODE_DEFAULT).to_bytes(2, "big") + reason.encode()[:120]
    return bytes((0x88, len(body))) + body


def _close_transport(transport: asyncio.Transport, *, at_once: bool) -> None:
    if at_once:
        transport.abort()
        return
    transport.close()
    if transport.get_write_buffer_size():
        # Closing waits for the buffer to be sent, and a stalled reader would make that forever.
        asyncio.get_running_loop().call_later(FLUSH_WITHIN_S, transport.abort)


def _read_failure(received: WSMessage) -> str:
    """The reason behind a failed read: a protocol error of the client's, or only a lost connection."""
    code = getattr(received.data, "code", None)
    if code == 1009:
        return "too_large"
    return "protocol" if code is not None else "transport close"
