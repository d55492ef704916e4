"""The live store dies, forgets its last moments, or comes back empty, in the middle of a session."""

import asyncio
import os
import shutil

import pytest

from store.redis.connect import connect
from tests.faults.scene import Scene, scene
from tests.stack import Stack

# The client library lets go of a line that is refused half-way without closing it.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")


def append_only_file(stack: Stack) -> tuple[str, int]:
    """The store's file that grows, and its size."""
    (file,) = (stack.valkey.directory / "appendonlydir").glob("*.incr.aof")
    return str(file), file.stat().st_size


async def flush(stack: Stack) -> None:
    """Empty the store in the middle of its life."""
    redis = connect(stack.valkey.url)
    try:
        await redis.flushall()
    finally:
        await redis.aclose()


async def goes_on(playing: Scene) -> None:
    """After whatever happened: both speak again, the session ends and is on record once."""
    await playing.said(8)
    await playing.hush()
    await playing.end()


async def test_the_store_is_killed_under_load_and_comes_back(stack: Stack) -> None:
    async with scene(stack) as playing:
        playing.talk(0.05)
        await playing.said(30)
        stack.valkey.kill()
        await asyncio.sleep(1.0)
        await asyncio.to_thread(stack.valkey.restart)
        await goes_on(playing)
        record = await playing.settled_once()
        assert not [row for row in record.messages if row["lost"]]


async def test_what_the_store_forgot_is_put_back_by_the_hubs(stack: Stack) -> None:
    async with scene(stack) as playing:
        playing.talk(0.1)
        await playing.said(10)
        file, size = append_only_file(stack)
        await playing.said(6)
        stack.valkey.kill()
        os.truncate(file, size)
        await asyncio.to_thread(stack.valkey.restart)
        await goes_on(playing)
        record = await playing.settled_once()
        assert not [row for row in record.messages if row["lost"]]


async def test_an_end_that_the_store_forgot_is_still_the_end(stack: Stack) -> None:
    async with scene(stack) as playing:
        playing.talk(0.1)
        await playing.said(10)
        await playing.hush()
        file, size = append_only_file(stack)
        await playing.end()
        stack.valkey.kill()
        os.truncate(file, size)
        await asyncio.to_thread(stack.valkey.restart)
        # By its own reason, or as a line that was lost: but it does end, and nobody stays taken, even if the
        # store forgot that as well.
        await playing.settled_once(reason=None, free_at_once=False)


async def test_the_store_is_emptied_and_the_session_is_rebuilt(stack: Stack) -> None:
    async with scene(stack) as playing:
        playing.talk(0.1)
        await playing.checkpointed()
        await playing.said(20)
        heads = {who.id: who.complete_to for who in (playing.guest, playing.host)}
        await flush(stack)
        await goes_on(playing)
        await playing.settled_once()
        assert all(who.complete_to > heads[who.id] for who in (playing.guest, playing.host))


async def test_the_store_comes_back_without_its_data_and_the_session_is_rebuilt(stack: Stack) -> None:
    async with scene(stack) as playing:
        playing.talk(0.1)
        proven_ms = await playing.checkpointed()
        await playing.said(12)
        stack.valkey.kill()
        shutil.rmtree(stack.valkey.directory / "appendonlydir")
        await asyncio.to_thread(stack.valkey.restart)
        await goes_on(playing)
        record = await playing.settled_once()
        billed = [row for row in record.intervals if row["kind"] == "billed"]
        assert len(billed) >= 2, f"checkpoint of {proven_ms}, recorded {record.intervals}"
        assert all(web.ended() is None for web in stack.webs.values())
        assert all(worker.ended() is None for worker in stack.workers)


async def test_the_practitioner_stays_taken_while_the_store_is_rebuilt(stack: Stack) -> None:
    async with scene(stack) as playing, scene(stack) as other:
        await other.end()
        await other.settled_once()
        playing.talk()
        await playing.checkpointed()
        await flush(stack)
        await playing.said(4)
        asked = {"practitioner_id": playing.host.id, "request_id": "second"}
        refused = await other.guest.refused("session:request", asked)
        assert refused == "busy"
        await playing.hush()
        await playing.end()
        await playing.settled_once()


async def test_a_session_too_young_for_a_checkpoint_leaves_nothing_behind(stack: Stack) -> None:
    async with scene(stack) as playing:
        await flush(stack)
        # Nothing of it can be billed; but its hold must not stay, and its people must be free.
        await playing.closed()
