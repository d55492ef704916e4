"""The worker dies at any moment around settlement."""

import asyncio
import random

import pytest

from tests.faults.scene import scene
from tests.stack import Stack

SUITE_DEATHS_S = (0.0, 0.15, 0.3)
CAMPAIGN_DEATHS = 30


async def dies_and_is_replaced(stack: Stack, after_s: float) -> None:
    """A session ends, the worker dies a moment later, and another one finishes the work."""
    async with scene(stack) as playing:
        playing.talk()
        await playing.said(4)
        await playing.hush()
        ending = asyncio.create_task(playing.end())
        await asyncio.sleep(after_s)
        stack.kill(stack.workers[-1])
        await ending
        stack.start_worker()
        await playing.settled_once()


async def test_whenever_the_worker_dies_the_session_is_settled_once(stack: Stack) -> None:
    for after_s in SUITE_DEATHS_S:
        await dies_and_is_replaced(stack, after_s)


@pytest.mark.campaign
async def test_the_worker_dies_at_many_random_moments(stack: Stack) -> None:
    moments = random.Random(1)
    for _ in range(CAMPAIGN_DEATHS):
        await dies_and_is_replaced(stack, moments.uniform(0.0, 1.5))
