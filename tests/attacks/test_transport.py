"""What can be done with a socket that no client library does."""

import asyncio
import json
import os
import struct
import zlib

import pytest

from tests.integration.edge.peer import Edge, connected, knock, running, token, unconnected


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "https://hub.example.evil.example",
        "http://hub.example",
        "file://",
        "*",
    ],
)
async def test_a_page_elsewhere_is_refused_before_the_handshake(edge: Edge, origin: str) -> None:
    forged = {"X_Forwarded_Host": "evil.example", "X_Forwarded_Proto": "https"}
    assert await edge.upgrade(Origin=origin) == 403
    assert await edge.upgrade(Origin=origin, **forged) == 403


async def test_a_listed_origin_and_none_are_let_in(edge: Edge) -> None:
    assert await edge.upgrade(Origin="https://hub.example") == 101
    assert await edge.upgrade() == 101


@pytest.mark.parametrize(
    "query",
    [
        "", "EIO=4", "EIO=4&transport=polling", "EIO=3&transport=websocket", "transport=websocket",
        "EIO=4&transport=websocket&sid=abc", "EIO=4&transport=webtransport", "EIO=4&transport=websocket&j=x",
    ],
)  # fmt: skip
async def test_only_one_protocol_is_spoken(edge: Edge, query: str) -> None:
    assert await edge.upgrade(query) == 400


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "PUT", "DELETE"])
async def test_polling_and_other_methods_open_nothing(edge: Edge, method: str) -> None:
    before = (await edge.state())["engine_sockets"]
    for query in ("EIO=4&transport=polling", "EIO=4&transport=websocket"):
        async with edge.http.request(method, f"{edge.url}/socket.io/?{query}", data=b"40{}") as answer:
            assert answer.status in {400, 405}
    assert (await edge.state())["engine_sockets"] == before


@pytest.mark.parametrize(
    "packet",
    [
        "", " ", "0", "5", "6", "2", "2probe", "7", "x", "4", "44", "43", "431[]", "47[]", "4x", "b4YWJj",
        "45", "451-[]", "461-1[]", "42",
    ],
)  # fmt: skip
async def test_a_packet_of_no_client_ends_the_connection(edge: Edge, packet: str) -> None:
    peer = await connected(edge)
    await peer.socket.send(packet)
    code, reason = await peer.closed()
    assert (code, reason) in {(1008, "protocol"), (1008, "binary"), (1008, "malformed")}


@pytest.mark.parametrize("packet", ["40", "40{}", '40{"token":"x"}', "40/admin,{}"])
async def test_connecting_twice_gains_nothing(edge: Edge, packet: str) -> None:
    peer = await connected(edge)
    await peer.socket.send(packet)
    assert (await peer.closed())[0] == 1008


@pytest.mark.parametrize(
    "packet", ['40/admin,{"token":"x"}', "40/,{}", "40[", "40" + "[" * 15_000, '40{"a":1,"a":2}']
)
async def test_a_connect_that_is_not_one_is_refused(edge: Edge, packet: str) -> None:
    peer = await unconnected(edge)
    await peer.socket.send(packet)
    code, reason = await peer.closed()
    assert (code, reason) in {(1008, "refused"), (1008, "malformed")}


async def test_another_namespace_is_refused_with_a_reason(edge: Edge) -> None:
    peer = await unconnected(edge)
    await peer.socket.send("40/admin," + json.dumps({"token": token()}))
    answer = await peer.packet()
    assert answer.startswith("44/admin,{")
    assert json.loads(answer.partition(",")[2])["data"]["code"] == "forbidden"


async def test_16_kib_pass_and_one_byte_more_does_not(edge: Edge) -> None:
    peer = await connected(edge)
    head, tail = '421["echo",{"text":"', '"}]'
    room = 16 * 1024 - len(head) - len(tail)
    await peer.socket.send(head + "x" * room + tail)
    assert (await peer.answer())[1]["ok"]
    await peer.socket.send(head + "x" * (room + 1) + tail)
    assert (await peer.closed())[0] in {1006, 1009}
    await _still_serves(edge)


async def test_a_message_in_many_fragments_is_bounded_too(edge: Edge) -> None:
    peer = await connected(edge)
    # Larger than allowed only as a whole: no single frame is.
    first = struct.pack("!BBH", 0x01, 0x80 | 126, 1000) + b"\0\0\0\0" + b"4" + b"x" * 999
    more = struct.pack("!BBH", 0x00, 0x80 | 126, 1000) + b"\0\0\0\0" + b"x" * 1000
    peer.socket.transport.write(first + more * 40)
    assert (await peer.closed())[0] in {1006, 1009}
    await _still_serves(edge)


async def test_a_deflate_bomb_is_a_protocol_error(edge: Edge) -> None:
    peer = await connected(edge)
    packer = zlib.compressobj(wbits=-15)
    bomb = packer.compress(b"x" * 12_000_000) + packer.flush(zlib.Z_SYNC_FLUSH)
    assert len(bomb) < 16 * 1024
    peer.socket.transport.write(struct.pack("!BBH", 0xC1, 0x80 | 126, len(bomb)) + b"\0\0\0\0" + bomb)
    assert (await peer.closed())[0] in {1002, 1006, 1008}
    await _still_serves(edge)


async def test_text_that_is_no_utf8_ends_the_connection(edge: Edge) -> None:
    peer = await connected(edge)
    peer.socket.transport.write(bytes((0x81, 0x82)) + b"\0\0\0\0" + b"4\xff")
    assert (await peer.closed())[0] in {1006, 1007, 1008}
    await _still_serves(edge)


async def test_a_flood_of_3000_events_is_answered_and_limited_and_survived(edge: Edge) -> None:
    peer = await connected(edge)
    for n in range(3000):
        await peer.emit("slow", {"n": n})
    replies = [(await peer.answer())[1] for _ in range(3000)]
    refused = [reply["error"] for reply in replies if not reply["ok"]]
    # The burst is 200; while they come in, some grow back, and what exceeds the queue is refused as well.
    assert 64 <= len(replies) - len(refused) < 1000
    assert all(error["code"] == "rate_limited" and error["retry_after_ms"] > 0 for error in refused)
    done = [reply["n"] for reply in replies if reply["ok"]]
    assert done == sorted(done)


async def test_a_sustained_flood_ends_the_connection(edge: Edge) -> None:
    peer = await connected(edge)
    reading = asyncio.create_task(peer.closed())
    frame = b'42["slow",{"n":1}]'
    masked = bytes((0x81, 0x80 | len(frame))) + b"\0\0\0\0" + frame
    while not reading.done():
        if not peer.socket.transport.is_closing():
            peer.socket.transport.write(masked * 500)
        await asyncio.sleep(0)
    assert await reading in {(1008, "flood"), (1006, "")}
    await _still_serves(edge)


async def test_pings_of_the_websocket_are_answered_and_their_flood_is_bounded(edge: Edge) -> None:
    peer = await connected(edge)
    await (await peer.socket.ping())
    assert (await peer.call("echo", {"text": "x"}))["ok"]


async def test_five_sockets_a_person_and_no_more(edge: Edge) -> None:
    mine = token()
    peers = [await connected(edge, mine) for _ in range(5)]
    sixth, answer = await knock(edge, {"token": mine})
    data = json.loads(answer[2:])["data"]
    assert data["code"] == "rate_limited"
    assert data["retry_after_ms"] > 0
    await sixth.closed()
    await peers[0].socket.close()
    async with asyncio.timeout(10):
        while not answer.startswith("40"):
            _again, answer = await knock(edge, {"token": mine})


async def test_a_reconnect_storm_from_one_address_is_slowed_with_the_production_numbers() -> None:
    async with running(numbers={"connects": [10 / 60, 10], "refused_linger_s": 0.1}) as edge:
        answers = [(await knock(edge, {"token": token()}))[1] for _ in range(15)]
        assert [answer[:2] for answer in answers] == ["40"] * 10 + ["44"] * 5
        data = json.loads(answers[-1][2:])["data"]
        assert data["code"] == "rate_limited"
        assert 0 < data["retry_after_ms"] <= 36_000


async def test_sockets_that_never_connect_cannot_fill_the_hub() -> None:
    async with running(numbers={"unauthenticated_max": 5, "authenticate_within_s": 0.5}) as edge:
        idle = [await unconnected(edge) for _ in range(5)]
        assert await edge.upgrade() == 503
        for peer in idle:
            assert (await peer.closed())[1] == "never authenticated"
        await (await connected(edge)).socket.close()


async def test_a_draining_hub_sends_newcomers_elsewhere_and_tells_who_is_here() -> None:
    async with running(numbers={"refused_linger_s": 0.1}) as edge:
        here = await connected(edge)
        draining = asyncio.create_task(edge.control(drain_ms=1_500))
        assert await here.event() == ["hub:draining", {"reconnect_within_ms": 1_500}]
        _peer, answer = await knock(edge, {"token": token()})
        assert json.loads(answer[2:])["data"] == {"code": "draining", "retryable": True}
        assert await here.closed() == (1001, "draining")
        await draining
        assert [reason for _, reason in (await edge.state())["gone"]] == ["draining"]


async def test_a_drain_of_an_empty_hub_does_not_wait() -> None:
    async with running() as edge:
        await edge.control(drain_ms=10**9)


async def test_a_fenced_hub_drops_all_and_goes_on_accepting(edge: Edge) -> None:
    async with running() as fenced:
        peers = [await connected(fenced), await connected(fenced), await unconnected(fenced)]
        await fenced.control(drop_all="fenced")
        for peer in peers:
            assert (await peer.closed())[1] == "fenced"
        await (await connected(fenced)).socket.close()


async def test_random_bytes_do_no_harm(edge: Edge) -> None:
    for _ in range(30):
        peer = await unconnected(edge)
        peer.socket.transport.write(os.urandom(200))
        peer.socket.transport.write_eof()
        await peer.closed()
    await _still_serves(edge)


async def _still_serves(edge: Edge) -> None:
    async with await connected(edge) as peer:
        assert (await peer.call("echo", {"text": "x"}))["ok"]
