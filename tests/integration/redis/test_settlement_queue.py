"""The queue of what is to go on record: every entry comes to somebody, until it is done."""

from contextlib import suppress

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from store.redis import keys, settlements
from store.redis.settlements import Entry, SettlementQueue
from tests.integration.redis.scene import GUEST, HUB, chat_of, ended, live, rooms_of, words


async def test_an_entry_is_taken_once_and_gone_when_done(redis: Redis) -> None:
    one, two = SettlementQueue(redis, consumer="one"), SettlementQueue(redis, consumer="two")
    room = await ended(rooms_of(redis))
    (entry,) = await one.take()
    assert (entry.session_id, entry.guest_id) == (room.id, GUEST)
    assert await two.take() == []
    await one.done(entry)
    assert await redis.xlen(keys.settlements(keys.bucket(room.id))) == 0
    assert await rooms_of(redis).unrecorded(2**40) == []
    await one.done(entry)


async def test_what_is_done_expires_with_all_its_keys(redis: Redis) -> None:
    rooms, queue = rooms_of(redis), SettlementQueue(redis, consumer="one")
    room = await live(rooms)
    await chat_of(redis).append(words(room, "1"), HUB)
    await queue.done(Entry(room.id, GUEST, ""))
    for key in (keys.room(room.id), keys.log(room.id), keys.chat(room.id), keys.seen(room.id)):
        assert 0 < await redis.ttl(key) <= settlements.ROOM_KEPT_S


async def test_what_a_dead_worker_holds_is_taken_over(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(float(n) * 10 for n in range(100))
    dead = SettlementQueue(redis, consumer="dead")
    heir = SettlementQueue(redis, consumer="heir", monotonic_s=clock.__next__)
    await ended(rooms_of(redis))
    (held,) = await dead.take()
    assert await heir.take() == []
    monkeypatch.setattr(settlements, "TAKEN_OVER_AFTER_MS", 0)
    assert await heir.take() == [held]
    await heir.done(held)
    # The dead one comes back to life and is late: harmless.
    await dead.done(held)
    assert await dead.take() == []


async def test_a_worker_gets_its_own_unfinished_work_again(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = SettlementQueue(redis, consumer="one")
    await ended(rooms_of(redis))
    taken = await queue.take()
    monkeypatch.setattr(settlements, "TAKEN_OVER_AFTER_MS", 0)
    assert await queue.take() == taken


async def test_many_entries_are_shared_out(redis: Redis) -> None:
    rooms = rooms_of(redis)
    ids = {(await ended(rooms)).id for _ in range(12)}
    queues = [SettlementQueue(redis, consumer=f"{n}") for n in range(3)]
    taken: list[Entry] = []
    for queue in (*queues, *queues, *queues, *queues):
        taken += await queue.take(limit=1)
    for queue in queues:
        taken += await queue.take()
    assert len(taken) == 12
    assert {entry.session_id for entry in taken} == ids


async def test_entries_made_before_the_first_worker_are_found(redis: Redis) -> None:
    rooms = rooms_of(redis)
    ids = {(await ended(rooms)).id for _ in range(3)}
    assert {entry.session_id for entry in await SettlementQueue(redis, consumer="late").take()} == ids


async def test_a_store_that_lost_its_groups_gets_them_again(redis: Redis) -> None:
    queue, rooms = SettlementQueue(redis, consumer="one"), rooms_of(redis)
    await queue.take()
    await redis.flushall()
    room = await ended(rooms)
    with suppress(ResponseError):
        assert await queue.take() == []
    assert [entry.session_id for entry in await queue.take()] == [room.id]


async def test_a_look_for_what_was_left_makes_lost_groups_anew(redis: Redis) -> None:
    clock = iter(float(n) * 10 for n in range(100))
    queue = SettlementQueue(redis, consumer="one", monotonic_s=clock.__next__)
    assert await queue.take() == []
    await redis.flushall()
    # Nothing is queued, so only the look for what was left can notice; from then on it must find its groups.
    with suppress(ResponseError):
        await queue.take()
    assert await queue.take() == []
