import asyncio
from uuid import uuid4

import asyncpg
import pytest

from store.postgres import epochs
from tests.integration.postgres.scene import T0


@pytest.fixture(autouse=True)
async def emptied(owner: asyncpg.Pool) -> None:
    await owner.execute("delete from epochs")


async def test_an_epoch_is_begun_and_finished(pool: asyncpg.Pool) -> None:
    assert await epochs.read(pool) is None
    first = str(uuid4())
    assert await epochs.begin(pool, first, seen=None, now_ms=T0)
    begun = await epochs.read(pool)
    assert begun is not None
    assert (begun.epoch, begun.state) == (first, "rebuilding")
    assert not await epochs.finish(pool, str(uuid4()), now_ms=T0)
    assert await epochs.finish(pool, first, now_ms=T0)
    assert not await epochs.finish(pool, first, now_ms=T0)


async def test_of_hubs_that_see_the_same_one_begins(pool: asyncpg.Pool) -> None:
    old = str(uuid4())
    await epochs.begin(pool, old, seen=None, now_ms=T0)
    rivals = [str(uuid4()) for _ in range(5)]
    for seen, expected in ((old, 1), (None, 0)):
        begun = await asyncio.gather(*(epochs.begin(pool, rival, seen=seen, now_ms=T0) for rival in rivals))
        assert sum(begun) == expected


async def test_a_rebuilding_that_died_is_begun_anew(pool: asyncpg.Pool) -> None:
    dead, next_one = str(uuid4()), str(uuid4())
    await epochs.begin(pool, dead, seen=None, now_ms=T0)
    assert await epochs.begin(pool, next_one, seen=dead, now_ms=T0)
    assert not await epochs.finish(pool, dead, now_ms=T0)
