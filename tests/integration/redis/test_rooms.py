"""Rooms in the real store: who commits on the version they read wins, and all else follows in that step."""

import asyncio
from functools import partial
from typing import Any

import msgpack
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from rooms import session
from rooms.deadlines import next_due_ms
from rooms.errors import ChangedTooOften, Fenced, NotFound
from rooms.ids import ConnectionId
from rooms.news import Change, StateChanged
from rooms.room import Room, State
from store.redis import keys
from store.redis.hubs import Hubs
from store.redis.rooms import ATTEMPTS, decode_room, encode_room
from tests.integration.redis.scene import (
    GUEST,
    GUEST_SOCKET,
    HOST,
    HUB,
    OTHER_HUB,
    ended,
    enter,
    hearing,
    live,
    new_id,
    requested,
    rooms_of,
    until,
    waiting,
)


async def revs(redis: Redis, room: Room) -> list[int]:
    """The numbers of what was told in a room."""
    return [logged.rev for logged in await rooms_of(redis).log_since(room.id, 0)]


async def entries(redis: Redis, room: Room) -> list[Any]:
    """What waits to be put on record, of the room's bucket."""
    return list(await redis.xrange(keys.settlements(keys.bucket(room.id))) or [])


async def test_a_room_is_loaded_as_it_was_made(redis: Redis) -> None:
    rooms = rooms_of(redis)
    room = await requested(rooms)
    loaded = await rooms.require(room.id)
    assert loaded.room == room
    assert room.version == 1
    assert abs(loaded.now_ms - await rooms.now_ms()) < 60_000
    assert decode_room(encode_room(room)) == room
    assert [guest.user_id for guest in room.guests] == [GUEST]


async def test_what_is_not_there_is_not_found(redis: Redis) -> None:
    rooms = rooms_of(redis)
    assert await rooms.load(new_id()) is None
    with pytest.raises(NotFound):
        await rooms.require(new_id())
    with pytest.raises(NotFound):
        await rooms.change(new_id(), partial(session.accept, who=HOST))


async def test_a_room_is_made_once(redis: Redis) -> None:
    rooms = rooms_of(redis)
    asked = session.request(
        new_id(),
        practitioner=(HOST, "Host"),
        guest=(GUEST, "Guest"),
        terms=(await requested(rooms)).terms,
        limits=(await requested(rooms)).limits,
        now_ms=await rooms.now_ms(),
    )
    made = await asyncio.gather(*(rooms_of(redis).create(asked) for _ in range(10)))
    assert {room.version for room in made} == {1}
    assert len(await rooms.log_since(asked.room.id, 0)) == len(asked.news)


async def test_of_two_who_decide_at_once_one_commits_and_the_other_decides_again(redis: Redis) -> None:
    one, two = rooms_of(redis), rooms_of(redis, OTHER_HUB)
    for _ in range(20):
        room = await waiting(one)
        first, second = await asyncio.gather(
            enter(one, room.id, HOST, ConnectionId("a")),
            enter(two, room.id, GUEST, ConnectionId("b"), OTHER_HUB),
        )
        assert {first.room.version, second.room.version} == {room.version + 1, room.version + 2}
        after = (await one.require(room.id)).room
        assert after.state is State.LIVE
        assert after.practitioner.present
        assert after.guests[0].present
        newer = max(first, second, key=lambda loaded: loaded.room.version)
        assert newer.room == after


async def test_many_who_decide_the_same_have_one_effect(redis: Redis) -> None:
    room = await live(rooms_of(redis))
    hubs = [rooms_of(redis) for _ in range(8)]
    end = partial(session.end, who=GUEST, proofs={})
    answers = await asyncio.gather(*(hub.change(room.id, end) for hub in hubs))
    assert {answer.room.version for answer in answers} == {room.version + 1}
    assert {answer.room.ended_at_ms for answer in answers} == {answers[0].room.ended_at_ms}
    assert len(await entries(redis, room)) == 1


async def test_a_decision_that_changes_nothing_writes_nothing(redis: Redis) -> None:
    rooms = rooms_of(redis)
    room = await live(rooms)
    before = await redis.hgetall(keys.room(room.id))
    answer = await enter(rooms, room.id, GUEST, GUEST_SOCKET)
    assert answer.room == room
    assert await redis.hgetall(keys.room(room.id)) == before


async def test_who_is_overtaken_again_and_again_gives_up(redis: Redis) -> None:
    rooms = rooms_of(redis)
    room = await live(rooms)
    tries = 0

    def overtaken(room: Room, *, now_ms: int) -> Change:
        nonlocal tries
        tries += 1
        # Somebody else commits between the read and the write of each try.
        rival = redis_sync.hincrby(keys.room(room.id), "version", 1)
        assert rival
        return Change(replace(room, clock_ms=now_ms), (StateChanged(),))

    import redis as blocking  # noqa: PLC0415  Only here is a store's answer waited for without a loop.

    path = redis.connection_pool.connection_kwargs["path"]
    with blocking.Redis(unix_socket_path=path) as redis_sync, pytest.raises(ChangedTooOften):
        await rooms.change(room.id, overtaken)
    assert tries == ATTEMPTS


async def test_what_is_told_is_numbered_without_a_gap_and_published_in_that_order(redis: Redis) -> None:
    rooms = rooms_of(redis)
    room = await waiting(rooms)
    async with hearing(redis, keys.room(room.id)) as messages:
        await enter(rooms, room.id, HOST, ConnectionId("h"))
        await enter(rooms, room.id, GUEST, ConnectionId("g"))
        await rooms.change(room.id, partial(session.leave, connection=ConnectionId("g")))
        await rooms.change(room.id, partial(session.end, who=HOST, proofs={}))
        await until(lambda: len(messages) == 4)
    heard = [msgpack.unpackb(message) for message in messages]
    logged = await rooms.log_since(room.id, 0)
    assert [entry.rev for entry in logged] == list(range(1, len(logged) + 1))
    published = [
        (first + place, name)
        for _, first, _, _, _, events in heard
        for place, (_, name, _) in enumerate(events)
    ]
    before = [entry for entry in logged if entry.rev < published[0][0]]
    assert published == [(entry.rev, entry.outgoing.name) for entry in logged[len(before) :]]
    assert [version for _, _, version, *_ in heard] == [room.version + n for n in range(1, 5)]
    assert [state for *_, state, _ in heard] == ["waiting", "live", "paused", "ended"]
    assert (await rooms.require(room.id)).rev == logged[-1].rev
    assert [entry.rev for entry in await rooms.log_since(room.id, 3)] == [e.rev for e in logged[3:]]
    assert len(await rooms.log_since(room.id, 0, limit=2)) == 2


async def test_a_deadline_is_set_with_the_change_that_brings_it_and_goes_with_the_end(redis: Redis) -> None:
    rooms = rooms_of(redis)
    room = await requested(rooms)
    for step in (
        partial(session.fund, guest_id=GUEST, ordinal=1, funded_ms=60_000),
        partial(session.accept, who=HOST),
        partial(session.join, who=HOST, connection=ConnectionId("h"), hub=HUB),
        partial(session.join, who=GUEST, connection=ConnectionId("g"), hub=HUB),
        partial(session.leave, connection=ConnectionId("g")),
        partial(session.end, who=HOST, proofs={}),
    ):
        after = (await rooms.change(room.id, step)).room
        due_ms = next_due_ms(after)
        kept = await redis.zscore(keys.due(keys.bucket(room.id)), room.id)
        assert kept == due_ms
        if due_ms is not None:
            assert await rooms.due(due_ms) == [room.id]
            assert await rooms.due(due_ms - 1) == []
    assert await rooms.due(2**50) == []


async def test_the_deadline_of_a_room_that_is_gone_can_be_forgotten(redis: Redis) -> None:
    rooms = rooms_of(redis)
    room = await requested(rooms)
    await redis.delete(keys.room(room.id))
    assert await rooms.due(2**50) == [room.id]
    await rooms.forget_due(room.id)
    assert await rooms.due(2**50) == []


async def test_only_the_end_asks_for_a_settlement_and_only_once(redis: Redis) -> None:
    rooms = rooms_of(redis)
    room = await live(rooms)
    assert await entries(redis, room) == []
    await rooms.change(room.id, partial(session.end, who=GUEST, proofs={}))
    ((_, fields),) = await entries(redis, room)
    assert fields == {b"s": room.id.encode(), b"g": GUEST.encode()}
    await rooms.change(room.id, partial(session.end, who=HOST, proofs={}))
    assert (await rooms.change(room.id, session.settle)).room.state is State.SETTLED
    assert len(await entries(redis, room)) == 1


@pytest.mark.parametrize("how", [session.decline, session.cancel])
async def test_a_session_that_never_was_live_is_put_on_record_too(redis: Redis, how: Any) -> None:
    rooms = rooms_of(redis)
    room = await requested(rooms)
    who = HOST if how is session.decline else GUEST
    await rooms.change(room.id, partial(how, who=who))
    assert len(await entries(redis, room)) == 1


async def test_a_fenced_hub_changes_nothing(redis: Redis) -> None:
    rooms = rooms_of(redis)
    room = await live(rooms)
    await Hubs(redis).fence(HUB)
    before = await redis.hgetall(keys.room(room.id))
    with pytest.raises(Fenced):
        await rooms.change(room.id, partial(session.end, who=GUEST, proofs={}))
    with pytest.raises(Fenced):
        await requested(rooms)
    assert await redis.hgetall(keys.room(room.id)) == before
    assert (await ended(rooms_of(redis, OTHER_HUB))).state is State.ENDED


async def test_rooms_wait_in_the_index_until_they_are_on_record(redis: Redis) -> None:
    rooms = rooms_of(redis)
    room = await requested(rooms)
    now_s = await rooms.now_ms() // 1000
    assert await rooms.unrecorded(now_s + 60) == [room.id]
    assert await rooms.unrecorded(now_s - 60) == []


async def test_a_hub_is_known_to_have_been_in_the_rooms_it_had_sockets_in(redis: Redis) -> None:
    rooms = rooms_of(redis)
    room = await waiting(rooms)
    assert await Hubs(redis).rooms_of(HUB) == []
    await enter(rooms, room.id, GUEST, GUEST_SOCKET)
    assert await Hubs(redis).rooms_of(HUB) == [room.id]


async def test_a_moment_is_told_and_not_kept(redis: Redis) -> None:
    rooms = rooms_of(redis)
    room = await live(rooms)
    told = await revs(redis, room)
    async with hearing(redis, keys.room(room.id)) as heard:
        await rooms.publish(room.id, b"typing")
        await until(lambda: bool(heard))
    assert heard == [b"typing"]
    assert await revs(redis, room) == told


async def test_a_room_comes_back_from_its_checkpoint_unless_the_store_knows_better(redis: Redis) -> None:
    rooms = rooms_of(redis)
    room = await live(rooms)
    assert not await rooms.restore(room, rev=9, seq=9, said_ms=9)
    await redis.flushall()
    assert await rooms.restore(room, rev=40, seq=7, said_ms=9)
    loaded = await rooms.require(room.id)
    assert (loaded.room, loaded.rev, loaded.seq) == (room, 40, 7)
    assert await rooms.due(2**50) == [room.id]
    assert await rooms.unrecorded(2**40) == [room.id]
    after = await rooms.change(room.id, partial(session.end, who=GUEST, proofs={}))
    assert after.room.version == room.version + 1
    assert (await rooms.log_since(room.id, 0))[0].rev == 41
    assert len(await entries(redis, room)) == 1
