"""Heartbeats, proofs and fences."""

import asyncio
from functools import partial

import pytest
from redis.asyncio import Redis

from hub.live import Live
from hub.workers.sweep import LostHubs
from rooms import session
from rooms.errors import Fenced
from rooms.ids import ConnectionId, HubId
from rooms.room import State
from store.redis import keys
from store.redis.directory import Directory
from store.redis.hubs import Hubs
from store.redis.people import People
from tests.integration.redis.scene import (
    GUEST,
    GUEST_SOCKET,
    HOST,
    HOST_SOCKET,
    HUB,
    OTHER_HUB,
    chat_of,
    enter,
    live,
    rooms_of,
    waiting,
    words,
)


async def test_a_beat_tells_the_time_and_that_the_hub_lives(redis: Redis) -> None:
    hubs = Hubs(redis)
    beat = await hubs.beat(HUB, {})
    assert (beat.swept, beat.epoch) == (False, None)
    assert await hubs.last_beats() == {HUB: beat.now_ms}
    await hubs.set_epoch("epoch-1")
    assert (await hubs.beat(HUB, {})).epoch == await hubs.epoch() == "epoch-1"


async def test_a_proof_is_never_later_than_the_hubs_own_last_beat(redis: Redis) -> None:
    hubs = Hubs(redis)
    beat = await hubs.beat(HUB, {})
    early, late = ConnectionId("early"), ConnectionId("late")
    await redis.hset(keys.beat(HUB), mapping={early: beat.now_ms - 500, late: beat.now_ms + 60_000})
    assert await hubs.proofs(HUB) == {early: beat.now_ms - 500, late: beat.now_ms}
    assert await hubs.proofs(HubId("nobody")) == {}


async def test_what_left_is_proven_no_more_and_what_is_unsaid_stays(redis: Redis) -> None:
    hubs = Hubs(redis)
    one, two = ConnectionId("one"), ConnectionId("two")
    await hubs.beat(HUB, {one: 5, two: 6})
    await hubs.beat(HUB, {two: 7})
    assert await hubs.proofs(HUB) == {one: 5, two: 7}
    await hubs.beat(HUB, {one: None})
    assert await hubs.proofs(HUB) == {two: 7}


async def test_a_fenced_hub_is_told_so_and_stays_dead(redis: Redis) -> None:
    hubs = Hubs(redis)
    await hubs.beat(HUB, {})
    await hubs.fence(HUB)
    await hubs.retire(HUB)
    beat = await hubs.beat(HUB, {ConnectionId("late"): 9})
    assert beat.swept
    assert await hubs.last_beats() == {}
    assert await hubs.proofs(HUB) == {}
    assert not (await hubs.beat(OTHER_HUB, {})).swept


async def test_a_fence_stands_in_every_bucket(redis: Redis) -> None:
    await Hubs(redis).fence(HUB)
    assert await redis.exists(*(keys.fence(bucket, HUB) for bucket in keys.BUCKETS)) == len(keys.BUCKETS)


async def test_a_hub_that_retires_leaves_nothing(redis: Redis) -> None:
    hubs = Hubs(redis)
    await hubs.beat(HUB, {ConnectionId("one"): 5})
    await live(rooms_of(redis))
    await People(redis).go_online(HOST, ConnectionId("a"), HUB)
    assert await hubs.people_of(HUB) == [HOST]
    await hubs.retire(HUB)
    assert await hubs.last_beats() == {}
    assert await hubs.rooms_of(HUB) == []
    assert await hubs.people_of(HUB) == []
    assert await hubs.proofs(HUB) == {}


async def test_a_silent_hub_is_closed_at_its_proofs_and_can_write_no_more(redis: Redis) -> None:
    rooms, hubs, everyone = rooms_of(redis), Hubs(redis), People(redis)
    room = await waiting(rooms)
    await everyone.go_online(HOST, HOST_SOCKET, HUB)
    await enter(rooms, room.id, HOST, HOST_SOCKET)
    since_ms = (await enter(rooms, room.id, GUEST, GUEST_SOCKET)).now_ms
    heard = {GUEST_SOCKET: since_ms + 40, HOST_SOCKET: since_ms + 10**9}
    await asyncio.sleep(0.05)
    beat = await hubs.beat(HUB, heard)
    clock = iter([0.0, 4.9, 5.0])
    sweep = lost_hubs(redis, clock.__next__)
    assert [await sweep.run_once() for _ in range(3)] == [0, 0, 1]

    after = (await rooms.require(room.id)).room
    assert after.state is State.PAUSED
    assert after.guests[0].spans[-1].to_ms == since_ms + 40
    assert after.practitioner.spans[-1].to_ms == beat.now_ms
    assert (await everyone.standing(HOST)).sockets == 0
    with pytest.raises(Fenced):
        await enter(rooms, room.id, GUEST, ConnectionId("zombie"))
    with pytest.raises(Fenced):
        await chat_of(redis).append(words(room, "late"), HUB)
    back = await enter(rooms_of(redis, OTHER_HUB), room.id, GUEST, ConnectionId("back"), OTHER_HUB)
    assert back.room.guests[0].present


async def test_a_socket_that_was_never_heard_of_counts_to_its_entry_only(redis: Redis) -> None:
    rooms, hubs = rooms_of(redis), Hubs(redis)
    await hubs.beat(HUB, {})
    room = await live(rooms)
    clock = iter([0.0, 6.0])
    sweep = lost_hubs(redis, clock.__next__)
    await sweep.run_once()
    assert await sweep.run_once() == 1
    after = (await rooms.require(room.id)).room
    assert after.guests[0].spans == ()
    assert not after.practitioner.present


async def test_a_beat_that_moves_keeps_its_hub_alive(redis: Redis) -> None:
    hubs = Hubs(redis)
    clock = iter(float(n) * 3 for n in range(10))
    sweep = lost_hubs(redis, clock.__next__)
    last_ms = 0
    for _ in range(6):
        while (await hubs.beat(HUB, {})).now_ms <= last_ms:
            pass
        last_ms = (await hubs.last_beats())[HUB]
        assert await sweep.run_once() == 0


async def test_two_who_sweep_the_same_hub_do_no_harm(redis: Redis) -> None:
    rooms, hubs = rooms_of(redis), Hubs(redis)
    room = await live(rooms)
    beat = await hubs.beat(HUB, {GUEST_SOCKET: 1, HOST_SOCKET: 1})
    sweeps = [lost_hubs(redis, iter([0.0, 6.0]).__next__) for _ in range(3)]
    for sweep in sweeps:
        await sweep.run_once()
    for sweep in sweeps:
        await sweep.run_once()
    after = (await rooms.require(room.id)).room
    assert (after.state, after.version) == (State.PAUSED, room.version + 1)
    assert beat.now_ms
    ending = partial(session.end, who=GUEST, proofs={})
    assert (await rooms_of(redis, OTHER_HUB).change(room.id, ending)).room.state is State.ENDED


def lost_hubs(redis: Redis, monotonic_s: object) -> LostHubs:
    """The sweep as a third process runs it, on a clock of the test's."""
    third = HubId("third")
    everyone, directory, hubs = People(redis), Directory(redis), Hubs(redis)
    sweeper = Live(
        rooms_of(redis, third),
        everyone,
        directory,
        heard_here=lambda _room: {},
        heard_elsewhere=hubs.proofs,
        here=lambda: third,
    )
    return LostHubs(hubs, sweeper, everyone, directory, dead_after_s=5.0, monotonic_s=monotonic_s)  # type: ignore[arg-type]
