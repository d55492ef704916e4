"""Faults at random, one after another, in sessions that go on through all of them."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

import pytest

from store.redis.connect import connect
from tests.faults.scene import Scene, made_whole, scene
from tests.stack import Stack

# The client library lets go of a line that is refused half-way without closing it.
pytestmark = pytest.mark.filterwarnings("ignore:Unclosed connection:ResourceWarning")

Fault = Callable[[Scene, random.Random], Awaitable[None]]

SUITE = (1, 1, 2)
CAMPAIGN = (20, 12, 5)
"""Seed of the first session, how many sessions, how many faults in each."""


async def a_hub_dies(playing: Scene, chance: random.Random) -> None:
    """One of the hubs, which comes back a while later."""
    stack = playing.stack
    stack.kill(stack.webs[chance.choice(stack.hub_urls)])
    await asyncio.sleep(chance.uniform(0, 8))
    await asyncio.to_thread(made_whole, stack)


async def all_hubs_die(playing: Scene, chance: random.Random) -> None:
    """Every hub at the same moment."""
    stack = playing.stack
    for url in stack.hub_urls:
        stack.webs[url].kill()
    for web in stack.webs.values():
        await asyncio.to_thread(web.process.wait)
    await asyncio.sleep(chance.uniform(0, 8))
    await asyncio.to_thread(made_whole, stack)


async def a_hub_sleeps(playing: Scene, chance: random.Random) -> None:
    """One of the hubs stands still, perhaps for so long that it is taken for dead."""
    url = chance.choice(playing.stack.hub_urls)
    playing.stack.webs[url].kill(signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(0.5, 9))
    playing.stack.webs[url].kill(signal.SIGCONT)


async def the_worker_dies(playing: Scene, chance: random.Random) -> None:
    """The worker, which comes back a while later."""
    playing.stack.kill(playing.stack.workers[-1])
    await asyncio.sleep(chance.uniform(0, 3))
    await asyncio.to_thread(made_whole, playing.stack)


async def the_store_dies(playing: Scene, chance: random.Random) -> None:
    """The live store, which comes back with its data."""
    playing.stack.valkey.kill()
    await asyncio.sleep(chance.uniform(0, 4))
    await asyncio.to_thread(playing.stack.valkey.restart)


async def the_store_is_emptied(playing: Scene, chance: random.Random) -> None:
    """The live store forgets everything, once there is something to rebuild from."""
    await playing.checkpointed()
    await asyncio.sleep(chance.uniform(0, 2))
    redis = connect(playing.stack.valkey.url)
    try:
        await redis.flushall()
    finally:
        await redis.aclose()


FAULTS: list[Fault] = [
    a_hub_dies,
    all_hubs_die,
    a_hub_sleeps,
    the_worker_dies,
    the_store_dies,
    the_store_is_emptied,
]


@pytest.mark.parametrize(
    ("seed", "sessions", "faults"), [SUITE, pytest.param(*CAMPAIGN, marks=pytest.mark.campaign)]
)
async def test_whatever_happens_a_session_is_settled_once_and_keeps_its_word(
    stack: Stack, seed: int, sessions: int, faults: int
) -> None:
    for number in range(seed, seed + sessions):
        chance = random.Random(number)
        chosen = chance.sample(FAULTS, faults)
        print(f"seed {number}: {', '.join(fault.__name__ for fault in chosen)}")
        async with scene(stack) as playing:
            playing.talk(chance.uniform(0.05, 0.3))
            await playing.said(4)
            for fault in chosen:
                await fault(playing, chance)
                await playing.said(6)
            await playing.hush()
            await playing.end()
            await playing.settled_once(reason=None)
