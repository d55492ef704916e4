"""Messages that are not simply delivered: flagged, held, blocked; and what is told of it."""

import asyncio
import json
from functools import partial
from typing import Any

import msgpack
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from hub.delivery import moment
from hub.wire_safety import HeldMessage, MessageRemoved
from rooms import moderation, session
from rooms.errors import NotLive, TooFast
from rooms.room import Room
from rooms.safety.raised import Raised
from rooms.safety.verdict import Category
from sandbox.valkey import ValkeyProcess
from store.redis import keys
from store.redis.chat import Chat, Utterance
from store.redis.connect import connect
from store.redis.held import Held, Placed
from store.redis.raised import RaisedQueue, packed
from store.redis.settlements import SettlementQueue
from tests.integration.redis.scene import GUEST, HUB, chat_of, hearing, live, rooms_of, until, words

NOTICE = moment("observers", "chat:held", HeldMessage("s", "m", "released"))
HELD_MS = 60_000


def flag(room: Room, said: Utterance, action: Any = "flag") -> Raised:
    """What was found in a message."""
    return Raised(
        flag_id=said.message_id[::-1], session_id=room.id, message_id=said.message_id, user_id=said.sender,
        participant_no=1, category=Category.CONTACT, severity="high", rule="phone", rule_version="1",
        action=action, start=0, end=4, at_ms=0, seq=None, sealed=said.sealed,
    )  # fmt: skip


def flagged(room: Room, client_id: str) -> Utterance:
    said = words(room, client_id)
    return said._replace(flag=packed(flag(room, said)))


def held(room: Room, client_id: str, on_timeout: Any = "release", held_ms: int = HELD_MS) -> Utterance:
    said = words(room, client_id)
    return said._replace(
        flag=packed(flag(room, said, "hold")), status="held", why="contact", held_ms=held_ms,
        on_timeout=on_timeout,
    )  # fmt: skip


def blocked(room: Room, client_id: str) -> Utterance:
    said = words(room, client_id)
    return said._replace(flag=packed(flag(room, said, "block")), status="blocked", why="contact")


async def taken(redis: Redis) -> list[Raised]:
    """Every flag that waits, taken out."""
    queue = RaisedQueue(redis, consumer="test")
    entries = await queue.take(await queue.filled())
    for entry in entries:
        await queue.done(entry)
    return [entry.raised for entry in entries]


async def test_a_flagged_message_is_delivered_as_any_and_its_flag_waits(redis: Redis) -> None:
    room, chat = await live(rooms_of(redis)), chat_of(redis)
    async with hearing(redis, keys.room(room.id)) as heard:
        said = flagged(room, "1")
        place = await chat.append(said, HUB)
        await until(lambda: bool(heard))
    assert (place.seq, place.status, place.why) == (1, "sent", "")
    assert msgpack.unpackb(heard[0], raw=True)[0] == b"c"
    (kept,) = await chat.transcript(room.id)
    assert kept.id == said.message_id
    assert await taken(redis) == [replace(flag(room, said), at_ms=place.at_ms, seq=1)]
    assert await redis.xlen(keys.raised(keys.bucket(room.id))) == 0


async def test_those_who_move_flags_are_woken(redis: Redis) -> None:
    room = await live(rooms_of(redis))
    async with hearing(redis, keys.raised(keys.bucket(room.id))) as heard:
        await chat_of(redis).append(words(room, "0"), HUB)
        await chat_of(redis).append(flagged(room, "1"), HUB)
        await until(lambda: bool(heard))
    assert heard == [b""]


@pytest.mark.parametrize("make", [held, blocked])
async def test_what_is_withheld_is_told_to_observers_alone(redis: Redis, make: Any) -> None:
    room, chat = await live(rooms_of(redis)), chat_of(redis)
    before = await rooms_of(redis).require(room.id)
    async with hearing(redis, keys.room(room.id)) as heard:
        said = make(room, "1")
        place = await chat.append(said, HUB)
        await until(lambda: bool(heard))
    status = said.status
    assert (place.seq, place.id, place.status, place.why) == (0, said.message_id, status, "contact")
    kind, audience, name, body, but = msgpack.unpackb(heard[0], raw=True)
    assert (kind, audience, name, but) == (b"t", b"observers", b"chat:message", b"")
    assert json.loads(body) == {
        "session_id": room.id, "seq": None, "at_ms": place.at_ms, "status": status, "text": "hello",
    }  # fmt: skip
    assert await chat.transcript(room.id) == []
    after = await rooms_of(redis).require(room.id)
    assert (after.rev, after.seq) == (before.rev, before.seq)
    (raised,) = await taken(redis)
    assert (raised.seq, raised.at_ms, raised.sealed) == (None, place.at_ms, said.sealed)
    assert (len(await Held(redis).of(room.id)) == 1) == (status == "held")


@pytest.mark.parametrize("make", [flagged, held, blocked])
async def test_a_repeat_gives_the_first_answer_and_raises_nothing(redis: Redis, make: Any) -> None:
    room, chat = await live(rooms_of(redis)), chat_of(redis)
    first = await chat.append(make(room, "same"), HUB)
    again = [await chat.append(other(room, "same"), HUB) for other in (make, words, flagged, held, blocked)]
    assert set(again) == {first}
    assert len(await taken(redis)) == 1


async def test_what_is_withheld_counts_against_the_pace(redis: Redis) -> None:
    room, chat = await live(rooms_of(redis)), Chat(redis, interval_ms=60_000, burst=2)
    await chat.append(blocked(room, "1"), HUB)
    await chat.append(held(room, "2"), HUB)
    with pytest.raises(TooFast):
        await chat.append(blocked(room, "3"), HUB)
    assert len(await taken(redis)) == 2


async def test_a_refusal_raises_nothing_and_holds_nothing(redis: Redis) -> None:
    rooms = rooms_of(redis)
    room = await live(rooms)
    await rooms.change(room.id, partial(session.end, who=GUEST, proofs={}))
    for make in (flagged, held, blocked):
        with pytest.raises(NotLive):
            await chat_of(redis).append(make(room, "1"), HUB)
    assert await taken(redis) == []
    assert await Held(redis).of(room.id) == []


async def test_a_released_message_takes_the_next_place(redis: Redis) -> None:
    room, chat, store = await live(rooms_of(redis)), chat_of(redis), Held(redis)
    said = held(room, "1")
    await chat.append(said, HUB)
    await chat.append(words(room, "2"), HUB)
    async with hearing(redis, keys.room(room.id)) as heard:
        place = await store.release(room.id, said.message_id, said.fragment, notice=NOTICE)
        await until(lambda: len(heard) == 2)
    assert isinstance(place, Placed)
    assert place.seq == 2
    told = msgpack.unpackb(heard[0], raw=True)
    replayed = await chat.replay(room.id, 1)
    assert told[:9] == [
        b"c", replayed[0].rev, 2, place.at_ms, said.message_id.encode(), b"1", b"1", said.sealed,
        GUEST.encode(),
    ]  # fmt: skip
    assert told[9] == said.fragment
    assert heard[1] == NOTICE
    assert [m.id for m in await chat.transcript(room.id)][1] == said.message_id
    assert (await chat.append(words(room, "3"), HUB)).seq == 3
    assert await store.release(room.id, said.message_id, said.fragment, notice=NOTICE) == "gone"
    assert not await store.reject(room.id, said.message_id, notice=NOTICE)


async def test_of_release_and_reject_at_once_one_happens(redis: Redis) -> None:
    room, chat, store = await live(rooms_of(redis)), chat_of(redis), Held(redis)
    for n in range(20):
        said = held(room, f"{n}")
        await chat.append(said, HUB)
        release = partial(store.release, room.id, said.message_id, said.fragment, notice=NOTICE)
        reject = partial(store.reject, room.id, said.message_id, notice=NOTICE)
        pair = (release(), reject(), release()) if n % 2 else (reject(), release(), reject())
        outcomes = await asyncio.gather(*pair)
        assert sum(outcome is True or isinstance(outcome, Placed) for outcome in outcomes) == 1
    assert await store.of(room.id) == []
    assert await redis.zcard(keys.held_due(keys.bucket(room.id))) == 0
    sent = await chat.transcript(room.id)
    assert [message.seq for message in sent] == list(range(1, len(sent) + 1))


async def test_nothing_is_released_into_a_room_that_is_closed(redis: Redis) -> None:
    rooms, store = rooms_of(redis), Held(redis)
    room = await live(rooms)
    said = held(room, "1")
    await chat_of(redis).append(said, HUB)
    await rooms.change(room.id, partial(session.end, who=GUEST, proofs={}))
    assert await store.release(room.id, said.message_id, said.fragment, notice=NOTICE) == "closed"
    assert await store.reject(room.id, said.message_id, notice=NOTICE)
    assert await chat_of(redis).transcript(room.id) == []


async def test_nothing_is_released_of_whoever_may_not_write(redis: Redis) -> None:
    rooms, store = rooms_of(redis), Held(redis)
    room = await live(rooms)
    said = held(room, "1")
    await chat_of(redis).append(said, HUB)
    await rooms.change(room.id, partial(moderation.mute, user_id=GUEST, by="moderator"))
    assert await store.release(room.id, said.message_id, said.fragment, notice=NOTICE) == "muted"
    assert await store.get(room.id, said.message_id) is not None
    await rooms.change(room.id, partial(moderation.unmute, user_id=GUEST, by="moderator"))
    assert isinstance(await store.release(room.id, said.message_id, said.fragment, notice=NOTICE), Placed)


async def test_held_messages_fall_due_and_are_known_by_their_room(redis: Redis) -> None:
    rooms, store = rooms_of(redis), Held(redis)
    room, now_ms = await live(rooms), await rooms.now_ms()
    early, late = held(room, "1", "reject", held_ms=10), held(room, "2", "release", held_ms=100_000)
    await chat_of(redis).append(late, HUB)
    await chat_of(redis).append(early, HUB)
    assert await store.due(now_ms) == []
    assert await store.due(now_ms + 50_000) == [(room.id, early.message_id)]
    found = {message.message_id: message for message in await store.of(room.id)}
    assert found.keys() == {early.message_id, late.message_id}
    one = found[early.message_id]
    assert (one.sender, one.client_id, one.participant_no, one.sealed) == (GUEST, "1", 1, early.sealed)
    assert (one.on_timeout, one.why) == ("reject", "contact")
    assert one == await store.get(room.id, early.message_id)


async def test_held_messages_vanish_with_their_room_and_flags_do_not(redis: Redis) -> None:
    rooms, store = rooms_of(redis), Held(redis)
    room = await live(rooms)
    said = held(room, "1")
    await chat_of(redis).append(said, HUB)
    await rooms.change(room.id, partial(session.end, who=GUEST, proofs={}))
    queue = SettlementQueue(redis, consumer="one")
    for entry in await queue.take():
        await queue.done(entry)
    assert 0 < await redis.ttl(keys.held(room.id)) <= 900
    await redis.delete(keys.held(room.id), keys.room(room.id))
    assert await redis.ttl(keys.raised(keys.bucket(room.id))) == -1
    # What is left of its deadline is cleared away by whoever finds it.
    assert await store.due(2**50) == [(room.id, said.message_id)]
    assert not await store.reject(room.id, said.message_id, notice=NOTICE)
    assert await store.due(2**50) == []
    assert len(await taken(redis)) == 1


async def test_an_allowed_message_costs_one_call_of_one_script(redis: Redis) -> None:
    room, chat = await live(rooms_of(redis)), chat_of(redis)
    await chat.append(words(room, "warm"), HUB)
    await redis.config_resetstat()
    for n in range(10):
        await chat.append(words(room, f"{n}"), HUB)
    calls: dict[str, Any] = await redis.info("commandstats")
    counted = {name.removeprefix("cmdstat_"): told["calls"] for name, told in calls.items()}
    # What the script itself does: reads, the message, its place, its repeat, and one publication.
    counted = {name: count for name, count in counted.items() if name not in ("info", "config|resetstat")}
    assert counted == {
        "evalsha": 10, "exists": 10, "hget": 10, "hmget": 10, "time": 10, "hset": 20, "xadd": 10,
        "spublish": 10,
    }  # fmt: skip


async def test_one_member_of_the_group_takes_each_flag(redis: Redis) -> None:
    room = await live(rooms_of(redis))
    for n in range(6):
        await chat_of(redis).append(flagged(room, f"{n}"), HUB)
    one, other = RaisedQueue(redis, consumer="one"), RaisedQueue(redis, consumer="other")
    buckets = await one.filled()
    first = await one.take(buckets, limit=4)
    second = await other.take(buckets)
    assert (len(first), len(second)) == (4, 2)
    assert await other.take_over(buckets) == []
    tokens: list[Any] = [entry.token for entry in first]
    await redis.xclaim(keys.raised(buckets[0]), "flags", "one", 0, tokens, idle=6_000)
    assert [entry.token for entry in await other.take_over(buckets)] == [entry.token for entry in first]
    for entry in (*first, *second):
        await one.done(entry)
    assert await one.filled() == []


async def test_a_flag_survives_a_killed_server_and_a_lost_group(mortal: ValkeyProcess) -> None:
    client = connect(mortal.url)
    try:
        room = await live(rooms_of(client))
        said = flagged(room, "1")
        place = await chat_of(client).append(said, HUB)
        await chat_of(client).append(held(room, "2"), HUB)
        mortal.kill()
        mortal.restart()
        await client.xgroup_create(keys.raised(keys.bucket(room.id)), "flags", id="0")
        await client.xgroup_destroy(keys.raised(keys.bucket(room.id)), "flags")
        raised = await taken(client)
        assert raised[0].message_id == said.message_id
        assert (raised[0].seq, raised[0].at_ms) == (1, place.at_ms)
        assert len(await Held(client).of(room.id)) == 1
    finally:
        await client.aclose()


async def test_a_removed_message_keeps_its_place_and_is_told_once_in_order(redis: Redis) -> None:
    rooms, chat = rooms_of(redis), chat_of(redis)
    room = await live(rooms)
    for n in range(1, 4):
        await chat.append(words(room, f"{n}"), HUB)
    before = await rooms.require(room.id)
    told = MessageRemoved(room.id, 2)
    async with hearing(redis, keys.room(room.id)) as heard:
        assert await chat.remove(room.id, 2, told)
        assert not await chat.remove(room.id, 2, told)
        assert not await chat.remove(room.id, 9, told)
        await chat.append(words(room, "4"), HUB)
        await until(lambda: len(heard) == 2)
    kind, rev, version, _, _, events = msgpack.unpackb(heard[0], raw=True)
    assert (kind, rev, version) == (b"e", before.rev + 1, 0)
    (event,) = events
    assert event[:2] == [b"room", b"chat:removed"]
    assert json.loads(event[2]) == {"session_id": room.id, "seq": 2}
    assert [entry.rev for entry in await rooms.log_since(room.id, before.rev)] == [before.rev + 1]
    kept = await chat.transcript(room.id)
    assert [(message.seq, message.removed) for message in kept] == [
        (1, False),
        (2, True),
        (3, False),
        (4, False),
    ]
    assert [message.removed for message in await chat.last(room.id, 3)] == [True, False, False]
    assert kept[1].body
    assert (await rooms.require(room.id)).room.version == before.room.version
