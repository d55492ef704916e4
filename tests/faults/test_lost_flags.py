"""Nothing is delivered whose flag could be lost: not when a hub dies with it, not when the store forgets."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from sandbox.visitor import Json, Visitor
from tests.acceptance.scene import Scene, until
from tests.faults.test_lost_store import append_only_file
from tests.stack import Stack

pytestmark = pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")

FLAGGED = "some days I want to die"


@asynccontextmanager
async def queue_out_of_reach(stack: Stack) -> AsyncIterator[None]:
    """Nobody can put anything into the queue, though everything else of Postgres answers."""
    owner = await asyncpg.connect(stack.database.owner_dsn)
    try:
        async with owner.transaction():
            await owner.execute("lock table flags in access exclusive mode")
            yield
    finally:
        await owner.close()


@pytest.fixture
async def playing(stack: Stack) -> AsyncIterator[Scene]:
    scene = Scene(stack)
    yield scene
    await scene.close()


async def comes_into_the_queue(scene: Scene, sent: Json) -> None:
    async def there() -> bool:
        return [row["seq"] for row in await scene.sql(query, sent["id"])] == [sent["seq"]]

    query = "select seq from flags where message_id = $1"
    await until(there, "the flag was lost")


async def say(guest: Visitor, session_id: str) -> Json:
    sent = await guest.ask("chat:send", session_id=session_id, client_id=FLAGGED, text=FLAGGED)
    assert sent["status"] == "sent"
    return sent


async def test_a_hub_that_dies_right_after_a_flagged_message(stack: Stack, playing: Scene) -> None:
    guest, _host, session_id = await playing.couple()
    async with queue_out_of_reach(stack):
        sent = await say(guest, session_id)
        dead = stack.hub_urls[0]
        stack.kill(stack.webs[dead])
        assert stack.workers
        for worker in stack.workers:
            if worker.ended() is None:
                stack.kill(worker)
    stack.start_worker()
    await comes_into_the_queue(playing, sent)
    await asyncio.to_thread(stack.start_web, int(dead.rpartition(":")[2]))


async def test_a_store_that_forgets_a_flagged_message_and_its_flag(stack: Stack, playing: Scene) -> None:
    guest, _host, session_id = await playing.couple()
    file, size = append_only_file(stack)
    async with queue_out_of_reach(stack):
        sent = await say(guest, session_id)
        stack.valkey.kill()
        os.truncate(file, size)
        await asyncio.to_thread(stack.valkey.restart)
    await comes_into_the_queue(playing, sent)
    again = await playing.enter(guest, hub=1)

    async def there() -> bool:
        answer = await again.answer("room:join", {"session_id": session_id, "after_seq": 0})
        return [message["id"] for message in answer.get("messages", [])] == [sent["id"]]

    await until(there, "the message was lost")
