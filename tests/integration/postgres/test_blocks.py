"""Blocks as one hub knows them: what it keeps is never older than what it heard."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast
from uuid import uuid4

import asyncpg
import pytest
from redis.asyncio import Redis

from hub.edge.connection import Connection
from hub.errors import Refused
from hub.safety.block_cache import Blocks
from hub.safety.blocks import between, require_none
from hub.watchers import Watchers
from rooms.directory import Standing
from rooms.ids import UserId
from store.postgres import blocks as rows
from store.privacy import erasing
from store.redis.connect import connect as connect_redis
from store.redis.directory import Directory
from tests.integration.postgres.scene import T0
from tests.unit.hub.test_watchers import Socket


def new_id() -> UserId:
    return UserId(str(uuid4()))


async def block(pool: asyncpg.Pool, blocker: UserId, blocked: UserId) -> None:
    await rows.insert_block(pool, blocker, blocked, now_ms=T0, most=1_000)


@pytest.fixture
async def redis(valkey: str) -> AsyncIterator[Redis]:
    client = connect_redis(valkey)
    yield client
    await client.aclose()


@pytest.fixture
def watchers() -> Watchers:
    return Watchers()


@pytest.fixture
def blocks(pool: asyncpg.Pool, watchers: Watchers, redis: Redis) -> Blocks:
    return Blocks(pool, watchers, Directory(redis))


async def test_it_counts_both_ways(pool: asyncpg.Pool, blocks: Blocks) -> None:
    ann, bob, eve = new_id(), new_id(), new_id()
    await block(pool, ann, bob)
    assert await blocks.of(ann) == {bob}
    assert await blocks.of(bob) == {ann}
    assert await blocks.of(eve) == frozenset()
    assert await between(pool, ann, bob)
    assert await between(pool, bob, ann)
    assert not await between(pool, ann, eve)
    for one, other in ((ann, bob), (bob, ann)):
        with pytest.raises(Refused) as refused:
            await require_none(pool, one, other)
        assert refused.value.code == "blocked"
    await require_none(pool, ann, eve)


async def test_only_what_is_heard_of_is_kept(pool: asyncpg.Pool, blocks: Blocks) -> None:
    ann, bob, eve = new_id(), new_id(), new_id()
    assert await blocks.of(ann) == frozenset()
    await block(pool, ann, bob)
    assert await blocks.of(ann) == {bob}
    blocks.listen(ann)
    assert await blocks.of(ann) == {bob}
    await block(pool, ann, eve)
    # Nobody has said so yet.
    assert await blocks.of(ann) == {bob}
    blocks.hear(ann, eve)
    assert await blocks.of(ann) == {bob, eve}
    await rows.delete_block(pool, ann, eve)
    blocks.let_go(ann)
    assert await blocks.of(ann) == {bob}


async def test_what_changes_while_it_is_read_is_read_again(pool: asyncpg.Pool, blocks: Blocks) -> None:
    ann, others = new_id(), [new_id() for _ in range(20)]
    blocks.listen(ann)

    async def change() -> None:
        for other in others:
            await block(pool, ann, other)
            blocks.hear(ann, other)

    async def read() -> None:
        for _ in range(20):
            await blocks.of(ann)

    await asyncio.gather(change(), read(), read())
    assert await blocks.of(ann) == set(others)


async def test_after_the_bus_was_away_everything_is_read_again(
    pool: asyncpg.Pool, blocks: Blocks, watchers: Watchers, redis: Redis
) -> None:
    ann, bob, eve = new_id(), new_id(), new_id()
    socket = Socket("1", ann)
    watchers.watch(cast(Connection, socket))
    blocks.listen(ann)
    await Directory(redis).show(Standing(bob, 1, 1, None, confirmed=False))
    assert await blocks.refresh(ann) == frozenset()
    await block(pool, ann, bob)
    await block(pool, eve, ann)
    await blocks.read_again()
    # Who was seen disappears; of who was not there nothing is said.
    assert socket.heard == [(bob, "offline")]
    await rows.delete_block(pool, ann, bob)
    await blocks.read_again()
    assert socket.heard[1:] == [(bob, "online")]


async def test_a_person_has_so_many_and_no_more(pool: asyncpg.Pool) -> None:
    ann = new_id()
    made = [await rows.insert_block(pool, ann, new_id(), now_ms=T0, most=3) for _ in range(5)]
    assert made == [True, True, True, False, False]


async def test_nobody_blocks_themselves(pool: asyncpg.Pool) -> None:
    ann = new_id()
    with pytest.raises(asyncpg.CheckViolationError):
        await block(pool, ann, ann)


async def test_of_who_is_removed_for_good_no_block_is_left(pool: asyncpg.Pool) -> None:
    ann, bob, eve = new_id(), new_id(), new_id()
    for blocker, blocked in ((ann, bob), (bob, ann), (eve, ann), (eve, bob)):
        await block(pool, blocker, blocked)
    await erasing.erase(pool, ann, new_id())
    assert await rows.blocked_with(pool, ann) == frozenset()
    assert await rows.blocked_with(pool, eve) == {bob}
