"""The settlement worker on a real Valkey and a real Postgres, and what is left when it dies or they do."""

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple
from uuid import uuid4

import asyncpg
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from hub.workers.settle import TRIES, Settle
from rooms import room as rooms
from rooms.ids import HubId, SessionId, UserId
from rooms.news import Change
from rooms.room import Terms
from store.postgres import checkpoints, operations, sessions, transcript
from store.records import Checkpoint
from store.redis.chat import Chat
from store.redis.connect import connect as connect_redis
from store.redis.rooms import Rooms, encode_room
from store.redis.settlements import Entry, SettlementQueue
from tests.integration.postgres.scene import ENVIRONMENT, T0, TERMS, Scene, ended_scene, messages

FREE = Terms("free", "usd", 0, 0, 0, 0, 0)


class Bench(NamedTuple):
    """A worker, its queue and stores, and which sessions it called settled."""

    worker: Settle
    queue: SettlementQueue
    rooms: Rooms
    redis: Redis
    settled: list[SessionId]


@pytest.fixture
async def redis(valkey: str) -> AsyncIterator[Redis]:
    client = connect_redis(valkey)
    yield client
    await client.aclose()


@pytest.fixture
def bench(pool: asyncpg.Pool, redis: Redis) -> Bench:
    settled: list[SessionId] = []

    async def note(session_id: SessionId) -> None:
        settled.append(session_id)

    stored = Rooms(redis, hub=lambda: HubId(str(uuid4())), tell=lambda _room, _news, _now_ms: [])
    queue = SettlementQueue(redis, consumer="one")
    worker = Settle(
        pool=pool,
        queue=queue,
        rooms=stored,
        chat=Chat(redis, interval_ms=0, burst=1_000),
        environment=ENVIRONMENT,
        now_ms=lambda: T0,
        settled=note,
    )
    return Bench(worker, queue, stored, redis, settled)


async def end(bench: Bench, scene: Scene) -> None:
    """The room ends in the store, as a hub would end it: frozen, and in the queue."""
    await bench.rooms.create(Change(scene.room))


async def test_what_waits_is_put_on_record(bench: Bench, pool: asyncpg.Pool) -> None:
    scenes = [await ended_scene(pool) for _ in range(3)]
    for scene in scenes:
        await end(bench, scene)
    assert await bench.worker.run_once() == 3
    for scene in scenes:
        assert await sessions.state(pool, scene.id) == "ended"
        kinds = [operation.kind for operation in await operations.operations(pool, scene.id)]
        assert kinds == ["hold", "capture", "transfer"]
    assert bench.settled == []
    assert await bench.worker.run_once() == 0


async def test_with_nothing_to_do_at_stripe_it_is_settled_at_once(bench: Bench, pool: asyncpg.Pool) -> None:
    scene = await ended_scene(pool, terms=FREE)
    await end(bench, scene)
    await bench.worker.run_once()
    assert bench.settled == [scene.id]


async def test_a_transfer_alone_keeps_no_session_from_being_settled(bench: Bench, pool: asyncpg.Pool) -> None:
    """All of the time was free, and the hold is gone: what the platform pays goes out days later."""
    scene = await ended_scene(pool, terms=replace(TERMS, free_ms=3_600_000))
    await pool.execute(
        "update payment_ops set state = 'failed', outcome = '{\"status\": \"declined\"}'"
        " where session_id = $1",
        scene.id,
    )
    await end(bench, scene)
    await bench.worker.run_once()
    kinds = [operation.kind for operation in await operations.operations(pool, scene.id)]
    assert kinds == ["hold", "transfer"]
    assert bench.settled == [scene.id]


async def test_a_worker_that_died_before_the_commit_is_replaced(bench: Bench, pool: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    await end(bench, scene)
    # Taken by one that is never heard of again; the next finds the entry by its own token.
    (entry,) = await bench.queue.take(10)
    assert await bench.worker.run_once() == 0
    assert await bench.worker.settle(entry)
    assert await sessions.state(pool, scene.id) == "ended"


async def test_a_worker_that_died_after_the_commit_changes_nothing(bench: Bench, pool: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    await end(bench, scene)
    (entry,) = await bench.queue.take(10)
    assert await bench.worker.settle(entry)
    before = await operations.operations(pool, scene.id)
    assert not await bench.worker.settle(entry)
    assert await operations.operations(pool, scene.id) == before


async def test_of_workers_with_one_entry_one_commits(bench: Bench, pool: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    await end(bench, scene)
    (entry,) = await bench.queue.take(10)
    committed = await asyncio.gather(*(bench.worker.settle(entry) for _ in range(5)))
    assert sorted(committed) == [False] * 4 + [True]


async def test_with_redis_lost_the_checkpoint_settles(bench: Bench, pool: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    seen = Checkpoint(scene.id, scene.room.version, str(uuid4()), T0, 4, encode_room(scene.room))
    await checkpoints.save(pool, [seen])
    await transcript.append(pool, scene.id, messages(3))
    assert await bench.worker.settle(Entry(scene.id, scene.guest_id, ""))
    rows = await pool.fetch("select seq, lost from messages where session_id = $1 order by seq", scene.id)
    # The fourth was seen by somebody and is gone: said, not skipped.
    assert [(row["seq"], row["lost"]) for row in rows] == [(1, False), (2, False), (3, False), (4, True)]


async def test_a_room_that_is_not_over_is_left_alone(
    bench: Bench, pool: asyncpg.Pool, owner: asyncpg.Pool
) -> None:
    scene = await ended_scene(pool)
    running = replace(scene.room, state=rooms.State.LIVE, ended_at_ms=None)
    await checkpoints.save(pool, [Checkpoint(scene.id, 5, str(uuid4()), T0, 0, encode_room(running))])
    with pytest.raises(Exception, match="The session is live"):
        await bench.worker.settle(Entry(scene.id, scene.guest_id, ""))
    assert await owner.fetchval("select count(*) from settlements where session_id = $1", scene.id) == 0


async def test_a_bad_entry_holds_up_no_other_and_becomes_a_case(bench: Bench, pool: asyncpg.Pool) -> None:
    bad, good = await ended_scene(pool), await ended_scene(pool)
    await end(bench, bad)
    await end(bench, good)
    stranger = Entry(bad.id, UserId(str(uuid4())), "")

    class Stuck:
        """A queue whose bad entry comes back each time."""

        async def take(self, limit: int) -> list[Entry]:
            return [stranger, *await bench.queue.take(limit)]

        async def done(self, entry: Entry) -> None:
            await bench.queue.done(entry)

        async def answered(self, entry: Entry) -> None:
            await bench.queue.answered(entry)

    worker = Settle(
        pool=pool, queue=Stuck(), rooms=bench.rooms, chat=Chat(bench.redis, interval_ms=0, burst=1),
        environment=ENVIRONMENT, now_ms=lambda: T0, settled=lambda _: asyncio.sleep(0),
    )  # fmt: skip
    case = "select count(*) from cases where session_id = $1 and kind = 'settlement_failed'"
    assert await worker.run_once() == 2
    assert await sessions.state(pool, good.id) == "ended"
    for _ in range(TRIES - 2):
        await worker.run_once()
    assert await pool.fetchval(case, bad.id) == 0
    for _ in range(3):
        await worker.run_once()
    assert await pool.fetchval(case, bad.id) == 1


async def test_with_postgres_away_the_entries_stay(bench: Bench, pool: asyncpg.Pool) -> None:
    scene = await ended_scene(pool)
    await end(bench, scene)
    away = await asyncpg.create_pool("postgresql://hub@/none?host=/nonexistent", min_size=0, max_size=1)
    broken = Settle(
        pool=away, queue=bench.queue, rooms=bench.rooms, chat=Chat(bench.redis, interval_ms=0, burst=1),
        environment=ENVIRONMENT, now_ms=lambda: T0, settled=lambda _: asyncio.sleep(0),
    )  # fmt: skip
    with pytest.raises(FileNotFoundError):
        await broken.run_once()
    pending = 0
    async for key in bench.redis.scan_iter("*", _type="stream"):
        if await bench.redis.exists(key) and (groups := await bench.redis.xinfo_groups(key)):
            pending += sum(group["pending"] for group in groups)
    assert pending == 1
