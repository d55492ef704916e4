"""Hubs that die or fall asleep in the middle of a session."""

import asyncio
import signal
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from rooms.ids import HubId
from store.redis.connect import connect
from store.redis.hubs import Hubs
from tests.faults.caller import Body, until
from tests.faults.scene import Record, Scene, scene
from tests.stack import Stack

# The client library lets go of a line that is refused half-way without closing it.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")

ASLEEP_S = 12.0


def port_of(url: str) -> int:
    """The port of a hub's address."""
    port = urlsplit(url).port
    assert port is not None
    return port


def kill_hub(stack: Stack, url: str) -> None:
    """End a hub as a crash would."""
    stack.kill(stack.webs[url])


async def proven_ms(playing: Scene) -> int:
    """The latest moment that the store can prove of any socket, by what the hubs' heartbeats said."""
    redis = connect(playing.stack.valkey.url)
    try:
        hubs = Hubs(redis)
        heard = [at_ms for hub in await hubs.last_beats() for at_ms in (await hubs.proofs(hub)).values()]
        return max(heard)
    finally:
        await redis.aclose()


async def store_ms(playing: Scene) -> int:
    """The store's time."""
    redis = connect(playing.stack.valkey.url)
    try:
        seconds, micros = await redis.time()
        return int(seconds) * 1000 + int(micros) // 1000
    finally:
        await redis.aclose()


async def beats(stack: Stack) -> set[HubId]:
    """The hubs that the store takes for alive."""
    redis = connect(stack.valkey.url)
    try:
        return set(await Hubs(redis).last_beats())
    finally:
        await redis.aclose()


def _billed(record: Record) -> list[Body]:
    return [row for row in record.intervals if row["kind"] == "billed"]


async def talk_a_while(playing: Scene, messages: int = 8) -> None:
    """Both speak, and hear each other out."""
    playing.talk()
    await playing.said(messages)
    await playing.hush()


async def test_the_meter_ends_with_the_guests_hub_and_the_guest_goes_on_elsewhere(
    stack: Stack, record_property: Callable[[str, object], None]
) -> None:
    async with scene(stack) as playing:
        await talk_a_while(playing, 12)
        lost = playing.guest.at
        assert lost is not None
        playing.guest.resting = True
        kill_hub(stack, lost)
        killed_s = time.monotonic()
        limit_ms = await proven_ms(playing)
        await until(lambda: playing.state(playing.host) == "paused", "the other hub notices")
        record_property("noticed_after_s", round(time.monotonic() - killed_s, 1))
        playing.guest.resting = False
        await until(lambda: playing.state(playing.host) == "live", "the guest is back")
        await talk_a_while(playing)
        await playing.end()
        record = await playing.settled_once()
        first, second = _billed(record)
        assert first["to_ms"] - first["from_ms"] > 0
        assert first["to_ms"] <= limit_ms < second["from_ms"]
    stack.start_web(port_of(lost))


async def test_a_guest_who_comes_back_before_the_hub_is_missed_loses_nothing(stack: Stack) -> None:
    async with scene(stack) as playing:
        playing.talk()
        await playing.said(6)
        lost = playing.guest.at
        assert lost is not None
        kill_hub(stack, lost)
        killed_ms = await store_ms(playing)
        # The dead hub misses heartbeats, and is not swept yet.
        await asyncio.sleep(2.5)
        await playing.said(4)
        await playing.hush()
        await playing.end()
        record = await playing.settled_once()
        # The socket of the dead hub must not carry the guest over the moment in which they had none.
        assert not [row for row in _billed(record) if row["from_ms"] <= killed_ms < row["to_ms"]]
    stack.start_web(port_of(lost))


async def test_both_hubs_die_and_the_session_goes_on_over_the_one_that_comes_back(stack: Stack) -> None:
    async with scene(stack) as playing:
        await talk_a_while(playing, 12)
        urls = list(stack.hub_urls)
        for url in urls:
            kill_hub(stack, url)
        killed_ms = await store_ms(playing)
        await asyncio.to_thread(stack.start_web, port_of(urls[0]))
        await asyncio.sleep(1.5)
        await talk_a_while(playing)
        await playing.end()
        record = await playing.settled_once()
        assert not [row for row in _billed(record) if row["from_ms"] <= killed_ms < row["to_ms"]]
        assert _billed(record)[-1]["from_ms"] > killed_ms
    stack.start_web(port_of(urls[1]))


@pytest.mark.campaign
async def test_both_hubs_die_and_nobody_comes_back(stack: Stack) -> None:
    async with scene(stack) as playing:
        await talk_a_while(playing, 12)
        playing.guest.resting = playing.host.resting = True
        urls = list(stack.hub_urls)
        for url in urls:
            kill_hub(stack, url)
        limit_ms = await proven_ms(playing)
        for url in urls:
            await asyncio.to_thread(stack.start_web, port_of(url))
        record = await playing.settled_once(reason="line_lost")
        (billed,) = _billed(record)
        assert billed["to_ms"] <= limit_ms


async def test_a_hub_that_fell_asleep_writes_nothing_more_and_begins_anew(stack: Stack) -> None:
    async with scene(stack) as playing:
        await talk_a_while(playing, 12)
        asleep = playing.guest.at
        assert asleep is not None
        before = await beats(stack)
        stack.webs[asleep].kill(signal.SIGSTOP)
        playing.stopped_hubs.add(asleep)
        limit_ms = await proven_ms(playing)
        await playing.guest.shout({"session_id": playing.session_id, "client_id": "late", "text": "late"})
        await asyncio.sleep(ASLEEP_S)
        stack.webs[asleep].kill(signal.SIGCONT)
        await until(lambda: playing.guest.at not in (None, asleep), "the guest went elsewhere")
        await talk_a_while(playing)

        playing.stopped_hubs.clear()
        playing.guest.home = asleep
        await playing.guest.hang_up()
        await talk_a_while(playing)
        assert playing.guest.at == asleep
        await playing.end()
        record = await playing.settled_once()
        assert "late" not in {row["client_id"] for row in record.messages}
        first, *others = _billed(record)
        assert first["to_ms"] <= limit_ms
        assert all(limit_ms < row["from_ms"] for row in others)
        after = await beats(stack)
        # The other hub, and this one under a new name.
        assert len(after) == 2
        assert len(after & before) == 1
