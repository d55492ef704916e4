"""Socket.IO as this hub lives in it: the default namespace, JSON only, one event at a time.

The fast path (events) never touches python-socketio's packets and handlers. Connecting and disconnecting do
go through its books (`manager`), so that its view of who is connected stays true.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import socketio
from socketio.async_manager import AsyncManager
from socketio.packet import ACK, CONNECT, DISCONNECT, EVENT, Packet

from hub.edge.connection import Frame, text_frame
from hub.edge.engineio_house import HouseEngine, quiet_logger
from hub.edge.engineio_socket import HouseSocket
from hub.edge.limits import Numbers
from hub.edge.strict_json import BadJsonError, strict
from hub.errors import Code, Refused, connect_refusal, log_unexpected, refused_from

NAMESPACE = "/"


class HousePacket(Packet):  # type: ignore[misc]  # The library has no types.
    """A packet without attachments. Decoding takes only what may come this way: connect and disconnect.

    Events are read by `inbox.py`. Binary packets would be hoarded until their attachments arrive, and
    a client could name an event `connect` and run the real handler; neither can be decoded here.
    """

    uses_binary_events = False

    def decode(self, encoded_packet: str) -> int:
        """Read `0{…}` or `1`. Raises `ValueError`."""
        kind, rest = encoded_packet[:1], encoded_packet[1:]
        if kind not in {str(CONNECT), str(DISCONNECT)}:
            raise ValueError("this packet may not come in")
        self.packet_type = int(kind)
        self.namespace = None
        self.data = None
        if rest.startswith("/"):
            self.namespace, _, rest = rest.partition(",")
        if rest:
            self.data = msgspec.json.decode(strict(rest))
        return 0


class HouseManager(AsyncManager):  # type: ignore[misc]  # The library has no types.
    """Who is connected. Losing a client costs as much as it had rooms, not as much as there are rooms."""

    def __init__(self) -> None:
        super().__init__()
        self._rooms_of: dict[tuple[str, str], set[str | None]] = {}

    def basic_enter_room(
        self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None
    ) -> None:
        """As the library does, and noted the other way round."""
        super().basic_enter_room(sid, namespace, room, eio_sid=eio_sid)
        self._rooms_of.setdefault((namespace, sid), set()).add(room)

    def basic_leave_room(self, sid: str, namespace: str, room: str | None) -> None:
        """As the library does, and noted the other way round."""
        super().basic_leave_room(sid, namespace, room)
        rooms = self._rooms_of.get((namespace, sid))
        if rooms is not None:
            rooms.discard(room)
            if not rooms:
                del self._rooms_of[namespace, sid]

    def get_rooms(self, sid: str, namespace: str) -> list[str]:
        """The rooms of one client."""
        return [room for room in self._rooms_of.get((namespace, sid), ()) if room is not None]

    def pre_connect_sync(self, eio_sid: str, namespace: str) -> str | None:
        """Note a client that still has to show its token; None if this socket is connected already."""
        if self.sid_from_eio_sid(eio_sid, namespace) is not None:
            return None
        sid: str = self.server.eio.generate_id()
        self.basic_enter_room(sid, namespace, None, eio_sid=eio_sid)
        self.basic_enter_room(sid, namespace, sid, eio_sid=eio_sid)
        # A set: the library's list is searched at every connect and at every question.
        self.pending_connect.setdefault(namespace, set()).add(sid)
        return sid

    async def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        """The library's name for the same."""
        return self.pre_connect_sync(eio_sid, namespace)

    def pre_disconnect(self, sid: str, namespace: str) -> str | None:
        """Note a client that is about to go. A set here too."""
        self.pending_disconnect.setdefault(namespace, set()).add(sid)
        eio_sid: str | None = self.eio_sid_from_sid(sid, namespace)
        return eio_sid

    def basic_disconnect(self, sid: str, namespace: str, **kwargs: Any) -> None:
        """Take a client out of its own rooms. The library looks for it in every room there is."""
        for room in list(self._rooms_of.get((namespace, sid), ())):
            self.basic_leave_room(sid, namespace, room)
        self.callbacks.pop(sid, None)
        for pending in (self.pending_connect, self.pending_disconnect):
            waiting = pending.get(namespace)
            if waiting is not None:
                waiting.discard(sid)
                if not waiting:
                    del pending[namespace]


class Edge(Protocol):
    """What the hub does with sockets; `Sockets` is one."""

    async def admit(self, line: HouseSocket, token: object) -> Callable[[], None]:
        """Check a token; what is returned is called once the client knows that it is connected.

        Raises `Refused`.
        """

    def event(self, line: HouseSocket, text: str) -> None:
        """An event of a connected client: the text after `42`."""

    def ended(self, line: HouseSocket, reason: str) -> None:
        """The socket is closed."""


class HouseServer(socketio.AsyncServer):  # type: ignore[misc]  # The library has no types.
    """The Socket.IO server. It is the engine's listener and hands the hub what matters."""

    def __init__(self, edge: Edge, numbers: Numbers, monotonic: Callable[[], float]) -> None:
        super().__init__(
            client_manager=HouseManager(),
            serializer=HousePacket,
            logger=quiet_logger("socketio.server"),
            engineio_logger=quiet_logger("engineio.server"),
            async_mode="aiohttp",
            async_handlers=False,
            transports=["websocket"],
            allow_upgrades=False,
            http_compression=False,
            # Origins are checked before the request gets here; the library would believe X-Forwarded-Host.
            cors_allowed_origins=[],
            max_http_buffer_size=numbers.frame_max_bytes,
            ping_interval=numbers.ping_interval_s,
            ping_timeout=numbers.ping_timeout_s,
            # Every socket has its own timer; the library's watcher would walk over all of them.
            monitor_clients=False,
        )
        self._edge = edge
        self._admissions: dict[str, asyncio.Task[None]] = {}
        self.eio.numbers = numbers
        self.eio.monotonic = monotonic
        self.eio.listener = self
        self.manager_initialized = True

    def _engineio_server_class(self) -> type[HouseEngine]:
        return HouseEngine

    # --- what the engine tells -------------------------------------------------------------------

    def message(self, line: HouseSocket, text: str) -> None:
        """One packet, as text that starts with Engine.IO's `4`."""
        if line.refused:
            return
        kind = text[1:2]
        if kind == str(EVENT):
            if not line.authenticated:
                line.end("protocol")
            else:
                self._edge.event(line, text[2:])
        elif kind == str(CONNECT):
            self._connect(line, text[1:])
        elif kind == str(DISCONNECT):
            line.end("client disconnect")
        else:
            # The hub never asks a client for an acknowledgement, and takes nothing binary.
            line.end("protocol" if kind == str(ACK) else "binary")

    def ended(self, line: HouseSocket, reason: str) -> None:
        """A socket is closed: its books are put right by `_handle_eio_disconnect`, a moment later."""
        admission = self._admissions.pop(line.sid, None)
        if admission is not None:
            admission.cancel()
        self._edge.ended(line, reason)

    # --- connecting ------------------------------------------------------------------------------

    def _connect(self, line: HouseSocket, text: str) -> None:
        """Start to admit a client, beside the reading, so that its leaving is noticed meanwhile."""
        try:
            packet = HousePacket(encoded_packet=text)
        except (BadJsonError, ValueError):
            line.end("malformed")
            return
        if packet.namespace not in {None, NAMESPACE}:
            line.refuse(_refusal(Refused(Code.FORBIDDEN, "There is no such namespace."), packet.namespace))
            return
        sid = self.manager.pre_connect_sync(line.sid, NAMESPACE)
        if sid is None:
            line.end("protocol")
            return
        auth = packet.data if isinstance(packet.data, dict) else {}
        token, line.language = auth.get("token"), auth.get("language")
        self._admissions[line.sid] = asyncio.create_task(self._admit(line, sid, token), name="admit")

    async def _admit(self, line: HouseSocket, sid: str, token: object) -> None:
        try:
            opened = await self._edge.admit(line, token)
        except Exception as error:  # noqa: BLE001  Whatever it is, the client is refused.
            line.refuse(_refusal(refused_from(error, where="connect")))
        else:
            self._accept(line, sid, opened)
        finally:
            self._admissions.pop(line.sid, None)
            if not line.authenticated:
                # Also when the socket went while its token was checked: the library forgets these ghosts.
                self.manager.basic_disconnect(sid, NAMESPACE)

    def _accept(self, line: HouseSocket, sid: str, opened: Callable[[], None]) -> None:
        if line.closed:
            return
        self.manager.pending_connect[NAMESPACE].discard(sid)
        line.accepted()
        line.write(text_frame(b"40" + msgspec.json.encode({"sid": sid})).data)
        try:
            opened()
        except Exception as error:  # noqa: BLE001  A connection that the hub doesn't know of must not stay.
            log_unexpected(error, where="connect")
            line.end("unavailable")

    # --- where the library's own ways would lead -------------------------------------------------

    async def _handle_eio_message(self, eio_sid: str, data: object) -> None:
        raise NotImplementedError("packets come by `message`")


def _refusal(refused: Refused, namespace: str | None = None) -> Frame:
    """`44{"message", "data"}`: what clients raise as `connect_error`."""
    message, data = connect_refusal(refused)
    place = f"{namespace}," if namespace else ""
    body = msgspec.json.encode({"message": message, "data": data})
    return text_frame(b"44" + place.encode() + body)
