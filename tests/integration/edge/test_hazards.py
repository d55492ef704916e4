"""What python-socketio and python-engineio do by themselves, and must not do here. One test per hazard."""

import asyncio
import json
import time
from typing import Any

import pytest
import socketio

from hub.edge.socketio_house import NAMESPACE, HouseManager
from tests.integration.edge.peer import Edge, Peer, connected, knock, refusal, running, token, unconnected


@pytest.mark.parametrize("event", ["boom", "cancelled", "no:such:event"])
async def test_hazard_01_an_exception_still_acknowledges(edge: Edge, event: str) -> None:
    async with await connected(edge) as peer:
        assert (await peer.call(event, {}))["ok"] is False
        assert await peer.call("echo", {"text": "still here"}) == {"ok": True, "text": "still here"}
    assert "cellar" not in "".join(edge.log)


async def test_hazard_01_a_handler_that_never_ends_is_answered() -> None:
    async with running(numbers={"handler_limit_s": 0.1}) as edge, await connected(edge) as peer:
        reply = await peer.call("slow", {"n": 1, "ms": 60_000})
        assert (reply["error"]["code"], reply["error"]["retryable"]) == ("unavailable", True)
        assert (await peer.call("slow", {"n": 2}))["ok"]


async def test_hazard_02_events_of_one_connection_keep_their_order(edge: Edge) -> None:
    async with await connected(edge) as peer:
        for n in range(50):
            await peer.emit("slow", {"n": n, "ms": 20 if n % 5 == 0 else 0})
        answered = [(await peer.answer())[1]["n"] for _ in range(50)]
    assert answered == list(range(50))
    assert (await edge.state())["handled"] == [str(n) for n in range(50)]


async def test_hazard_02_a_slow_handler_delays_no_pong_and_no_other_connection() -> None:
    numbers = {"ping_interval_s": 0.1, "ping_timeout_s": 0.5}
    async with (
        running(numbers=numbers) as edge,
        await connected(edge) as busy,
        await connected(edge) as other,
    ):
        await busy.emit("slow", {"n": 1, "ms": 2_000})
        for n in range(5):
            assert (await other.call("slow", {"n": n}))["ok"]
        # Several pings long nothing but pongs can pass; the connection lives, and is answered at last.
        assert (await busy.answer())[1] == {"ok": True, "n": 1}


async def test_hazard_02_what_waits_is_bounded_and_refused_at_once(edge: Edge) -> None:
    async with await connected(edge) as peer:
        await peer.emit("slow", {"n": 0, "ms": 2_000})
        # Until it is taken up it is itself among those that wait.
        await edge.until(begun=[0])
        for n in range(1, 80):
            await peer.emit("slow", {"n": n})
        replies = [await peer.answer() for _ in range(80)]
        refused = [reply["error"] for _, reply in replies if not reply["ok"]]
        assert len(refused) == 80 - 1 - 64
        assert all(error["code"] == "rate_limited" and error["retry_after_ms"] > 0 for error in refused)
        # Refusals overtake: they come before the slow one is answered.
        assert replies[0][1]["ok"] is False


@pytest.mark.parametrize("name", ["connect", "disconnect", "connect_error", "newListener"])
async def test_hazard_03_reserved_names_reach_no_handler(edge: Edge, name: str) -> None:
    async with await connected(edge) as peer:
        assert (await peer.call_raw(json.dumps([name, {}])))["error"]["code"] == "bad_request"
        assert (await peer.call("echo", {"text": "x"}))["ok"]
        await peer.socket.send("42" + json.dumps([name, {}]))
        assert (await peer.closed())[1] == "malformed"
    state = await edge.state()
    assert (len(state["opened"]), len(state["gone"])) == (1, 1)


@pytest.mark.parametrize(
    "packet", ['451-["echo",{"_placeholder":true,"num":0}]', "461-1[]", '51-["echo",{}]']
)
async def test_hazard_03_binary_packets_end_the_connection(edge: Edge, packet: str) -> None:
    async with await connected(edge) as peer:
        await peer.socket.send(packet)
        assert (await peer.closed())[1] in {"binary", "protocol"}


async def test_hazard_03_a_binary_frame_ends_the_connection(edge: Edge) -> None:
    async with await connected(edge) as peer:
        await peer.socket.send(b"\x04hello")
        assert (await peer.closed())[1] == "binary"


async def test_hazard_04_leaving_while_the_token_is_checked_leaves_no_ghost(edge: Edge) -> None:
    await edge.control(jwks="slow")
    for leave in ("close", "reset"):
        peer = await unconnected(edge)
        await peer.socket.send("40" + json.dumps({"token": token()}))
        await edge.until(pending=1)
        if leave == "close":
            await peer.socket.close()
        else:
            peer.reset()
        await edge.until(engine_sockets=0, pending=0, rooms=0, environs=0)
    state = await edge.state()
    assert (state["opened"], state["gone"], state["connections"]) == ([], [], 0)


async def test_hazard_04_a_drop_from_a_handler_is_final_and_told_once(edge: Edge) -> None:
    peer = await connected(edge)
    await peer.emit("drop:me", {})
    assert await peer.closed() == (1008, "asked")
    assert [reason for _, reason in await edge.gone(1)] == ["asked"]
    await edge.until(engine_sockets=0, rooms=0, environs=0, leaving=0, watched=0, inboxes=0, people=0)


async def test_hazard_05_losing_a_client_touches_its_own_rooms_only() -> None:
    """Counted, not timed: how often a room is looked at when one of many clients goes."""

    class Counting(dict):  # type: ignore[type-arg]
        looked = 0

        def __contains__(self, key: object) -> bool:
            Counting.looked += 1
            return super().__contains__(key)

        def copy(self) -> "Counting":
            raise AssertionError("every room of the namespace was copied")

        def items(self) -> Any:
            raise AssertionError("every room of the namespace was looked at")

    # A pure look at the books; the server around them is only asked for ids.
    server = socketio.AsyncServer(client_manager=HouseManager(), async_mode="aiohttp")
    books = server.manager
    sids = [books.pre_connect_sync(f"e{n}", NAMESPACE) for n in range(2_000)]
    for n, sid in enumerate(sids):
        books.basic_enter_room(sid, NAMESPACE, f"room{n // 3}")
    books.rooms[NAMESPACE] = Counting(books.rooms[NAMESPACE])
    before = Counting.looked
    books.basic_disconnect(sids[1000], NAMESPACE)
    assert Counting.looked - before < 10
    for sid in sids:
        books.basic_disconnect(sid, NAMESPACE)
    assert books.rooms == {}
    assert books.pending_connect == {}
    assert books._rooms_of == {}


async def test_hazard_05_many_vanish_at_once_and_everybody_hears_of_each(edge: Edge) -> None:
    peers = [await connected(edge) for _ in range(100)]
    for peer in peers:
        await peer.emit("room:join", {})
        await peer.answer()
    for peer in peers:
        peer.reset()
    gone = await edge.gone(100)
    assert len({name for name, _ in gone}) == len(gone) == 100
    await edge.until(
        connections=0, engine_sockets=0, rooms=0, environs=0, leaving=0, watched=0, inboxes=0, people=0
    )


async def test_hazard_06_a_stalled_reader_is_dropped_and_the_hub_stops_all_the_same() -> None:
    async with running(numbers={"write_buffer_max_bytes": 256 * 1024}) as edge:
        stalled = await stalling(edge)
        await stalled.emit("blast", {"size": 60_000, "count": 400}, ack=False)
        assert [reason for _, reason in await edge.gone(1)] == ["too_slow"]
        await edge.until(engine_sockets=0)
        async with await connected(edge) as peer:
            assert (await peer.call("echo", {"text": "x"}))["ok"]


async def stalling(edge: Edge) -> Peer:
    """A client whose transport stops to read after it is connected."""
    peer = await connected(edge)
    peer.socket.transport.pause_reading()
    return peer


async def test_hazard_06_a_reader_that_takes_nothing_between_two_pings_is_dropped() -> None:
    numbers = {"ping_interval_s": 0.1, "ping_timeout_s": 60, "write_buffer_max_bytes": 64 * 1024 * 1024}
    async with running(numbers=numbers) as edge:
        stalled = await stalling(edge)
        await stalled.emit("blast", {"size": 60_000, "count": 400}, ack=False)
        # It answers pings without reading them, as a broken client might.
        async with asyncio.timeout(20):
            while not (await edge.state())["gone"]:
                with_pong = asyncio.create_task(stalled.socket.send("3"))
                await asyncio.wait([with_pong])
                with_pong.exception()
                await asyncio.sleep(0.05)
        assert (await edge.state())["gone"][0][1] == "too_slow"


async def test_hazard_06_a_full_buffer_does_not_hold_up_the_end_of_the_process() -> None:
    async with running(numbers={"write_buffer_max_bytes": 64 * 1024 * 1024}) as edge:
        stalled = await stalling(edge)
        await stalled.emit("blast", {"size": 60_000, "count": 400}, ack=False)
        await edge.until(connections=1)
    # `running` has waited for the process to end in order.
    assert edge.process.returncode == 0


async def test_hazard_07_everybody_sees_the_same_order_and_the_sender_too(edge: Edge) -> None:
    peers = [await connected(edge) for _ in range(3)]
    for peer in peers:
        assert (await peer.call("room:join", {}))["ok"]
    for n in range(40):
        await peers[n % 3].emit("room:say", {"text": str(n)}, ack=False)
    seen = [[(await peer.event())[1]["text"] for _ in range(40)] for peer in peers]
    assert seen[0] == seen[1] == seen[2]
    assert sorted(map(int, seen[0])) == list(range(40))
    for peer in peers:
        await peer.socket.close()


async def test_hazard_08_a_refused_client_is_reaped(edge: Edge) -> None:
    peer, answer = await knock(edge, {"token": "nonsense"})
    assert answer.startswith("44")
    # It neither leaves nor is silent; nothing that it sends is heard any more.
    await peer.socket.send('421["echo",{"text":"let me in"}]')
    await peer.socket.send("40" + json.dumps({"token": token()}))
    assert (await peer.closed())[1] == "refused"
    state = await edge.until(engine_sockets=0, rooms=0, pending=0, environs=0)
    assert (state["opened"], state["handled"]) == ([], [])


async def test_hazard_08_nothing_reaches_a_socket_without_a_token(edge: Edge) -> None:
    lurker = await unconnected(edge)
    async with await connected(edge) as peer:
        await peer.call("room:join", {})
        await peer.call("room:say", {"text": "between us"})
    await lurker.socket.send('421["echo",{"text":"x"}]')
    assert (await lurker.closed())[1] == "protocol"
    assert (await edge.state())["handled"] == []


async def test_hazard_08_who_never_connects_is_closed() -> None:
    async with running(numbers={"authenticate_within_s": 0.2}) as edge:
        idle = await unconnected(edge)
        assert (await idle.closed())[1] == "never authenticated"


async def test_hazard_09_the_address_is_the_peers_own(edge: Edge) -> None:
    forged = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Host": "evil.example", "X-Real-IP": "1.2.3.4"}
    await (await connected(edge, additional_headers=forged)).socket.close()
    async with running(proxies=["127.0.0.0/8"]) as behind:
        await (await connected(behind, additional_headers=forged)).socket.close()
        assert (await behind.state())["addresses"] == ["198.51.100.7"]
    assert (await edge.state())["addresses"] == ["127.0.0.1"]


async def test_hazard_09_origins_are_checked_before_the_handshake() -> None:
    async with running(origins=["https://hub.example"]) as edge:
        evil = {"X_Forwarded_Host": "evil.example", "X_Forwarded_Proto": "https"}
        assert await edge.upgrade(Origin="https://evil.example", **evil) == 403
        assert await edge.upgrade(Origin="null") == 403
        assert await edge.upgrade(Origin="https://hub.example") == 101
        assert await edge.upgrade() == 101


async def test_hazard_10_logs_hold_no_token_no_text_and_no_name(edge: Edge) -> None:
    given = token(email="jo@example.com", user_metadata={"name": "Jo Private"})
    async with await connected(edge, given) as peer:
        await peer.call("echo", {"text": "a very private thing"})
        await peer.call("boom", {})
        await peer.call("a private event name", {})
        await peer.call_raw('["echo",{"private":1}]')
    await refusal(edge, {"token": given + "x"})
    await edge.gone(1)
    said = "".join(edge.log)
    assert "socket.opened" in said
    for secret in (given, given[:40], "private", "Private", "jo@example.com", "cellar"):
        assert secret not in said


async def test_hazard_10_shutdown_drops_everybody_and_each_is_told_once(edge: Edge) -> None:
    peers = [await connected(edge) for _ in range(3)]
    idle = await unconnected(edge)
    edge.process.terminate()
    for peer in (*peers, idle):
        assert await peer.closed() == (1001, "server_shutdown")
    await edge.process.wait()
    assert sum('"socket.gone"' in line for line in edge.log) == 3


async def test_hazard_11_deflate_is_never_spoken(edge: Edge) -> None:
    async with await connected(edge, compression="deflate") as peer:
        assert peer.socket.response is not None
        assert "Sec-WebSocket-Extensions" not in peer.socket.response.headers
        assert (await peer.call("echo", {"text": "é" * 2_000}))["ok"]


async def test_heard_is_the_last_packet_and_a_reset_is_none(edge: Edge) -> None:
    async with running(numbers={"ping_interval_s": 60}) as quiet:
        peer = await connected(quiet)
        await peer.call("echo", {"text": "x"})
        start_s = time.monotonic()
        await asyncio.sleep(0.3)
        peer.reset()
        [(name, _)] = await quiet.gone(1)
        # The process and this test share one monotonic clock: the last word was before the silence.
        assert (await quiet.state())["heard_ago_s"][name] >= time.monotonic() - start_s - 0.2
