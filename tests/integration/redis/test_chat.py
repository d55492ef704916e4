"""Chat in the real store: one order for everyone, a place for every message, and a reason for every no."""

import asyncio
from functools import partial

import msgpack
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis
from redis.exceptions import RedisError

from rooms import chain, session
from rooms.errors import Fenced, Muted, NotFound, NotInRoom, NotLive, RoomError, TooFast
from rooms.ids import SessionId
from rooms.news import Change, StateChanged
from rooms.room import Room
from sandbox.valkey import ValkeyProcess
from store.postgres import transcript
from store.redis import keys
from store.redis.chat import Chat, Delivered
from store.redis.connect import connect
from store.redis.hubs import Hubs
from tests.integration.redis.scene import (
    GUEST,
    GUEST_SOCKET,
    HOST,
    HUB,
    OTHER_HUB,
    chat_of,
    ended,
    hearing,
    live,
    rooms_of,
    until,
    waiting,
    words,
)


async def test_fifty_who_speak_at_once_over_three_clients_get_dense_places(valkey: str, redis: Redis) -> None:
    room = await live(rooms_of(redis))
    clients = [connect(valkey) for _ in range(3)]
    try:
        chats = [chat_of(client) for client in clients]
        spoken = [words(room, f"c{n}", sender=(GUEST, HOST)[n % 2], no=1 - n % 2) for n in range(50)]
        places = await asyncio.gather(*(chats[n % 3].append(said, HUB) for n, said in enumerate(spoken)))
    finally:
        for client in clients:
            await client.aclose()
    assert sorted(place.seq for place in places) == list(range(1, 51))
    kept = await chat_of(redis).transcript(room.id)
    assert [message.seq for message in kept] == list(range(1, 51))
    by_seq = {place.seq: said for place, said in zip(places, spoken, strict=True)}
    for message in kept:
        said = by_seq[message.seq]
        assert (message.id, message.client_id, message.body, message.participant_no) == (
            said.message_id,
            said.client_id,
            said.sealed,
            said.participant_no,
        )
    assert [m.at_ms for m in kept] == sorted(m.at_ms for m in kept)


async def test_events_and_messages_share_one_numbering(redis: Redis) -> None:
    rooms, chat = rooms_of(redis), chat_of(redis)
    room = await live(rooms)
    await chat.append(words(room, "1"), HUB)
    await rooms.change(room.id, partial(session.leave, connection=GUEST_SOCKET))
    await chat.append(words(room, "2", sender=HOST, no=0), HUB)
    logged = [entry.rev for entry in await rooms.log_since(room.id, 0)]
    said = [message.rev for message in await chat.replay(room.id, 0)]
    assert sorted([*logged, *said]) == list(range(1, len(logged) + len(said) + 1))


async def test_a_message_is_published_as_it_is_kept(redis: Redis) -> None:
    room = await live(rooms_of(redis))
    async with hearing(redis, keys.room(room.id)) as heard:
        said = words(room, "1")
        place = await chat_of(redis).append(said, HUB)
        await until(lambda: bool(heard))
    kind, rev, seq, at_ms, id_, no, client_id, sealed, sender, fragment = msgpack.unpackb(heard[0], raw=True)
    (kept,) = await chat_of(redis).replay(room.id, 0)
    assert kind == b"c"
    assert (seq, at_ms, id_.decode()) == place[:3]
    told = Delivered(rev, seq, at_ms, id_.decode(), int(no), client_id.decode(), sealed, sender.decode())
    assert told == kept
    assert fragment == said.fragment


async def test_the_same_client_id_gives_the_first_answer_and_has_no_effect(redis: Redis) -> None:
    room, chat = await live(rooms_of(redis)), chat_of(redis)
    first = await chat.append(words(room, "same"), HUB)
    again = await asyncio.gather(*(chat.append(words(room, "same"), HUB) for _ in range(5)))
    assert set(again) == {first}
    other = await chat.append(words(room, "same", sender=HOST, no=0), HUB)
    assert other.seq == first.seq + 1
    assert len(await chat.transcript(room.id)) == 2


async def test_a_repeat_is_answered_even_when_the_room_is_over(redis: Redis) -> None:
    rooms, chat = rooms_of(redis), chat_of(redis)
    room = await live(rooms)
    first = await chat.append(words(room, "same"), HUB)
    await rooms.change(room.id, partial(session.end, who=GUEST, proofs={}))
    assert await chat.append(words(room, "same"), HUB) == first


async def test_who_speaks_too_fast_is_told_how_long_to_wait(redis: Redis) -> None:
    room, chat = await live(rooms_of(redis)), Chat(redis, interval_ms=60_000, burst=3)
    for n in range(3):
        await chat.append(words(room, f"{n}"), HUB)
    with pytest.raises(TooFast) as refused:
        await chat.append(words(room, "3"), HUB)
    assert 0 < refused.value.retry_after_ms <= 60_000
    # Repeats cost nothing, and the other side has a pace of their own.
    assert (await chat.append(words(room, "2"), HUB)).seq == 3
    assert (await chat.append(words(room, "3", sender=HOST, no=0), HUB)).seq == 4
    # What was refused took no place and left no trace.
    with pytest.raises(TooFast):
        await chat.append(words(room, "3"), HUB)


async def test_waiting_as_long_as_told_is_enough(redis: Redis) -> None:
    room, chat = await live(rooms_of(redis)), Chat(redis, interval_ms=30, burst=2)
    for n in range(6):
        said = words(room, f"{n}")
        try:
            place = await chat.append(said, HUB)
        except TooFast as refused:
            await asyncio.sleep(refused.retry_after_ms / 1000)
            place = await chat.append(said, HUB)
        assert place.seq == n + 1


async def refused(redis: Redis, room: Room) -> type[RoomError]:
    """Why the guest may not speak."""
    try:
        await chat_of(redis).append(words(room, "no"), HUB)
    except RoomError as error:
        assert await chat_of(redis).transcript(room.id) == []
        return type(error)
    raise AssertionError("nobody objected")


async def test_each_no_has_its_reason(redis: Redis) -> None:
    rooms = rooms_of(redis)
    assert await refused(redis, replace(await waiting(rooms), id=SessionId("missing-00"))) is NotFound
    assert await refused(redis, await waiting(rooms)) is NotInRoom
    assert await refused(redis, await ended(rooms)) is NotLive

    room = await live(rooms)
    await rooms.change(room.id, mute)
    assert await refused(redis, room) is Muted

    gone = await live(rooms)
    await rooms.change(gone.id, partial(session.leave, connection=GUEST_SOCKET))
    assert await refused(redis, gone) is NotInRoom

    fenced = await live(rooms)
    await Hubs(redis).fence(HUB)
    assert await refused(redis, fenced) is Fenced


def mute(room: Room, *, now_ms: int) -> Change:
    """The guest may not speak."""
    return Change(room.with_participant(replace(room.guests[0], muted=True)), (StateChanged(),))


async def test_one_bad_message_of_a_batch_harms_no_other(redis: Redis) -> None:
    rooms, chat = rooms_of(redis), chat_of(redis)
    good, over = await live(rooms), await ended(rooms)
    first, bad, second = await asyncio.gather(
        chat.append(words(good, "1"), HUB),
        chat.append(words(over, "2"), HUB),
        chat.append(words(good, "3"), HUB),
        return_exceptions=True,
    )
    assert isinstance(bad, NotLive)
    assert not isinstance(first, BaseException)
    assert not isinstance(second, BaseException)
    assert (first.seq, second.seq) == (1, 2)


async def test_reading_in_pieces(redis: Redis) -> None:
    room, chat = await live(rooms_of(redis)), chat_of(redis)
    for n in range(12):
        await chat.append(words(room, f"{n}"), HUB)
    assert [m.seq for m in await chat.read(room.id, 3, 4)] == [4, 5, 6, 7]
    assert [m.seq for m in await chat.last(room.id, 5)] == [8, 9, 10, 11, 12]
    assert [m.seq for m in await chat.replay(room.id, 9)] == [10, 11, 12]
    assert await chat.read(room.id, 12, 4) == []


async def test_a_lost_tail_is_put_back_and_a_gap_stays_visible(redis: Redis) -> None:
    rooms, chat = rooms_of(redis), chat_of(redis)
    room = await live(rooms)
    before = await rooms.require(room.id)
    for n in range(6):
        await chat.append(words(room, f"{n}"), HUB)
    delivered = await chat.replay(room.id, 0)
    kept = await chat.transcript(room.id)
    await forget_chat(redis, room, rev=before.rev)

    tail = [message for message in delivered if message.seq in (2, 4, 5)]
    assert await chat.restore(room.id, tail, rev=delivered[-1].rev, head_seq=6) == 3
    now = await chat.transcript(room.id)
    assert [message.seq for message in now] == [1, 2, 3, 4, 5, 6]
    assert [message.lost for message in now] == [True, False, True, False, False, True]
    assert [now[n] for n in (1, 3, 4)] == [kept[n] for n in (1, 3, 4)]
    after = await rooms.require(room.id)
    assert (after.rev, after.seq) == (delivered[-1].rev, 6)

    # The second time changes nothing; the sequence goes on; what was put back is known by its client_id.
    assert await chat.restore(room.id, tail, rev=delivered[-1].rev, head_seq=6) == 0
    assert (await chat.append(words(room, "new"), HUB)).seq == 7
    assert (await chat.append(words(room, "4"), HUB)).seq == 5
    replayed = await chat.replay(room.id, 0)
    assert [message.id == "" for message in replayed] == [True, False, True, False, False, True, False]


async def test_what_was_removed_is_put_back_without_its_words(redis: Redis) -> None:
    rooms, chat = rooms_of(redis), chat_of(redis)
    room = await live(rooms)
    before = await rooms.require(room.id)
    for n in range(2):
        await chat.append(words(room, f"{n}"), HUB)
    shown, removed = await chat.replay(room.id, 0)
    digest = chain.body_digest(removed.sealed)
    await forget_chat(redis, room, rev=before.rev)
    tail = [shown, removed._replace(sealed=b"", removed_sha256=digest)]
    assert await chat.restore(room.id, tail, rev=removed.rev, head_seq=2) == 2
    now = await chat.transcript(room.id)
    assert [message.removed for message in now] == [False, True]
    assert [link.body_sha256 for link in transcript.links(now)] == [chain.body_digest(shown.sealed), digest]


async def test_nothing_is_put_back_into_a_room_that_is_not_there(redis: Redis) -> None:
    rooms, chat = rooms_of(redis), chat_of(redis)
    room = await live(rooms)
    await chat.append(words(room, "1"), HUB)
    delivered = await chat.replay(room.id, 0)
    await redis.flushall()
    assert await chat.restore(room.id, delivered, rev=9, head_seq=1) == 0
    assert await chat.transcript(room.id) == []


async def forget_chat(redis: Redis, room: Room, *, rev: int) -> None:
    """As if the store had lost its last moments."""
    await redis.delete(keys.chat(room.id), keys.seen(room.id))
    await redis.hset(keys.room(room.id), mapping={"rev": rev, "seq": 0})


async def test_a_server_that_forgot_its_scripts_is_sent_them_again(redis: Redis) -> None:
    rooms, chat = rooms_of(redis), chat_of(redis)
    room = await live(rooms)
    await redis.script_flush()
    places = await asyncio.gather(*(chat.append(words(room, f"{n}"), HUB) for n in range(5)))
    assert [place.seq for place in places] == [1, 2, 3, 4, 5]
    await redis.script_flush()
    after = await rooms.change(room.id, partial(session.end, who=GUEST, proofs={}))
    assert after.room.ended_at_ms is not None


async def test_a_killed_server_is_found_again_with_everything_it_acknowledged(mortal: ValkeyProcess) -> None:
    client = connect(mortal.url)
    try:
        rooms, chat = rooms_of(client), chat_of(client)
        room = await live(rooms)
        places = [await chat.append(words(room, f"{n}"), HUB) for n in range(5)]
        mortal.kill()
        with pytest.raises((RedisError, OSError)):
            await chat.append(words(room, "5"), HUB)
        mortal.restart()
        repeated = [await chat.append(words(room, f"{n}"), OTHER_HUB) for n in range(6)]
        assert repeated[:5] == places
        assert repeated[5].seq == 6
    finally:
        await client.aclose()
