"""The private names of python-socketio, python-engineio and aiohttp that the hub leans on.

Whoever upgrades one of them sees here, at once and by name, what moved. The behaviour on top of these names
is tested against a running process; this file is about the names.
"""

import ast
import inspect
import textwrap
from importlib.metadata import version
from typing import Any

import engineio
import pytest
import socketio
from aiohttp import web
from engineio.async_drivers.aiohttp import _async as driver
from engineio.async_socket import AsyncSocket
from engineio.base_socket import BaseSocket
from engineio.packet import MESSAGE, OPEN, PING, PONG
from socketio.async_manager import AsyncManager
from socketio.base_manager import BaseManager
from socketio.packet import ACK, CONNECT, CONNECT_ERROR, DISCONNECT, EVENT, Packet

from hub.edge.engineio_house import HouseEngine
from hub.edge.engineio_socket import HouseSocket
from hub.edge.limits import Numbers
from hub.edge.socketio_house import NAMESPACE, HouseManager, HousePacket, HouseServer
from tests.integration.edge.peer import Edge, connected, running, token


def test_the_pinned_releases_are_installed() -> None:
    assert version("python-socketio") == "5.18.1"
    assert version("python-engineio") == "4.15.1"


def test_packet_types_are_those_on_the_wire() -> None:
    assert (OPEN, PING, PONG, MESSAGE) == (0, 2, 3, 4)
    assert (CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR) == (0, 1, 2, 3, 4)


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [
        (engineio.AsyncServer, "_handle_connect", ["self", "environ", "transport", "jsonp_index"]),
        (engineio.AsyncServer, "_trigger_event", ["self", "event", "args", "kwargs"]),
        (engineio.AsyncServer, "handle_request", ["self", "args", "kwargs"]),
        (engineio.AsyncServer, "create_queue", ["self", "args", "kwargs"]),
        (engineio.AsyncServer, "generate_id", ["self"]),
        (engineio.AsyncServer, "send_packet", ["self", "sid", "pkt"]),
        (AsyncSocket, "send", ["self", "pkt"]),
        (AsyncSocket, "close", ["self", "wait", "abort", "reason"]),
        (BaseSocket, "__init__", ["self", "server", "sid"]),
        (socketio.AsyncServer, "_engineio_server_class", ["self"]),
        (socketio.AsyncServer, "_handle_eio_message", ["self", "eio_sid", "data"]),
        (socketio.AsyncServer, "_handle_eio_connect", ["self", "eio_sid", "environ"]),
        (socketio.AsyncServer, "_handle_eio_disconnect", ["self", "eio_sid", "reason"]),
        (BaseManager, "basic_enter_room", ["self", "sid", "namespace", "room", "eio_sid"]),
        (BaseManager, "basic_leave_room", ["self", "sid", "namespace", "room"]),
        (BaseManager, "basic_disconnect", ["self", "sid", "namespace", "kwargs"]),
        (BaseManager, "pre_disconnect", ["self", "sid", "namespace"]),
        (BaseManager, "get_rooms", ["self", "sid", "namespace"]),
        (BaseManager, "sid_from_eio_sid", ["self", "eio_sid", "namespace"]),
        (AsyncManager, "pre_connect", ["self", "eio_sid", "namespace"]),
        (Packet, "decode", ["self", "encoded_packet"]),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_method_that_is_called_or_replaced_is_there(owner: Any, name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(owner, name)).parameters) == parameters


@pytest.mark.parametrize("ours", [HouseEngine, HouseSocket, HouseManager, HousePacket, HouseServer])
def test_every_private_method_of_ours_replaces_one_of_theirs(ours: type) -> None:
    """A replaced method whose original was renamed would be dead code, and nothing would say so."""
    own = {"_packet", "_control", "_read", "_unauthenticated", "_ping", "_overdue", "_after"}
    own |= {"_condemn", "_connect", "_admit", "_accept"}
    for name, member in vars(ours).items():
        if inspect.isfunction(member) and name.startswith("_") and name not in own | {"__init__"}:
            assert any(hasattr(base, name) for base in ours.__mro__[1:-1]), name


def test_the_driver_is_the_table_that_we_copy() -> None:
    assert set(driver) == {"asyncio", "create_route", "translate_request", "make_response", "websocket"}
    assert "self._async" in inspect.getsource(engineio.AsyncServer.handle_request)


def test_the_library_reads_no_more_of_a_request_than_we_give_it() -> None:
    """The environment of a request is ours, and smaller: whatever the library looks up must be in it."""
    source = textwrap.dedent(inspect.getsource(engineio.AsyncServer.handle_request))
    looked_up = {
        node.slice.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "environ"
        and isinstance(node.slice, ast.Constant)
    }
    assert looked_up <= {"REQUEST_METHOD", "HTTP_UPGRADE"}


def test_the_socket_has_the_state_that_we_set() -> None:
    source = inspect.getsource(BaseSocket.__init__)
    for name in ("connected", "upgraded", "closing", "closed"):
        assert f"self.{name} = False" in source


def test_aiohttp_still_takes_what_keeps_frames_plain_and_ours() -> None:
    parameters = inspect.signature(web.WebSocketResponse.__init__).parameters
    assert {"compress", "autoping", "autoclose", "timeout", "max_msg_size"} <= set(parameters)


class NoEdge:
    """The server is only built here, never asked."""

    async def admit(self, line: object, token: object) -> Any:
        raise AssertionError

    def event(self, line: object, text: str) -> None:
        raise AssertionError

    def ended(self, line: object, reason: str) -> None:
        raise AssertionError


def server() -> HouseServer:
    return HouseServer(NoEdge(), Numbers(), lambda: 0.0)


def test_the_house_is_furnished_as_we_think() -> None:
    built = server()
    assert type(built.eio) is HouseEngine
    assert type(built.manager) is HouseManager
    assert built.packet_class is HousePacket
    assert built.eio.transports == ["websocket"]
    assert built.eio.start_service_task is False
    assert built.eio.cors_allowed_origins == []
    assert built.eio._async is not driver
    assert HouseSocket(built.eio, "x", None, "").queue is None  # type: ignore[arg-type]


async def test_the_books_go_through_a_connections_life() -> None:
    books = server().manager
    sid = books.pre_connect_sync("engine", NAMESPACE)
    assert sid is not None
    assert books.pre_connect_sync("engine", NAMESPACE) is None
    assert not books.is_connected(sid, NAMESPACE)
    assert await books.connect(sid, NAMESPACE) == sid
    assert books.is_connected(sid, NAMESPACE)
    await books.enter_room(sid, NAMESPACE, "room")
    assert sorted(books.get_rooms(sid, NAMESPACE)) == sorted([sid, "room"])
    assert dict(books.get_participants(NAMESPACE, "room")) == {sid: "engine"}
    await books.close_room("room", NAMESPACE)
    assert books.get_rooms(sid, NAMESPACE) == [sid]
    books.pre_disconnect(sid, NAMESPACE)
    assert not books.is_connected(sid, NAMESPACE)
    await books.disconnect(sid, NAMESPACE)
    assert (books.rooms, books.pending_connect, books.pending_disconnect) == ({}, {}, {})
    assert books._rooms_of == {}


@pytest.mark.parametrize(
    "packet", ['2["a"]', "31[]", '4"x"', '51-["a",{"_placeholder":true,"num":0}]', "61-[]", "", "9"]
)
def test_only_connect_and_disconnect_can_be_decoded(packet: str) -> None:
    with pytest.raises(ValueError, match="may not come in"):
        HousePacket().decode(packet)


async def test_the_official_python_client_works_as_it_is(edge: Edge) -> None:
    client = socketio.AsyncClient()
    said: list[Any] = []
    client.on("said", said.append)
    await client.connect(edge.url, auth={"token": token()}, transports=["websocket"])
    assert await client.call("room:join", {}) == {"ok": True}
    assert await client.call("room:say", {"text": "hé"}) == {"ok": True}
    assert await client.call("echo", {"text": "x" * 3_000}) == {"ok": True, "text": "x" * 3_000}
    assert said == [{"text": "hé"}]
    await client.disconnect()
    assert [reason for _, reason in await edge.gone(1)] == ["client disconnect"]


async def test_the_official_python_client_hears_why_it_is_refused(edge: Edge) -> None:
    client = socketio.AsyncClient(reconnection=False)
    errors: list[Any] = []
    client.on("connect_error", errors.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(edge.url, auth={"token": "x"}, transports=["websocket"])
    assert errors[0]["data"]["code"] == "unauthenticated"
    await client.disconnect()


async def test_pings_keep_the_official_client_and_their_lack_ends_a_silent_one() -> None:
    async with running(numbers={"ping_interval_s": 0.1, "ping_timeout_s": 0.5}) as edge:
        client = socketio.AsyncClient()
        await client.connect(edge.url, auth={"token": token()}, transports=["websocket"])
        silent = await connected(edge)
        silent.answer_pings = False
        assert (await silent.closed())[1] == "ping timeout"
        assert await client.call("echo", {"text": "x"}) == {"ok": True, "text": "x"}
        await client.disconnect()
