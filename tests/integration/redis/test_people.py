"""Who holds whom, and what the directory shows: of many who ask for one person, one gets them."""

import asyncio

import pytest
from redis.asyncio import Redis

from rooms.directory import Standing
from rooms.errors import Offline
from rooms.ids import ConnectionId, UserId
from store.redis import keys, people
from store.redis.directory import Directory, changed
from store.redis.people import Held, People
from tests.integration.redis.scene import GUEST, HOST, HUB, OTHER_HUB, hearing, new_id, until


@pytest.fixture
async def online(redis: Redis) -> People:
    """People, with the practitioner online over one socket."""
    everyone = People(redis)
    await everyone.go_online(HOST, ConnectionId("a"), HUB)
    return everyone


async def test_of_twenty_who_reserve_one_person_exactly_one_gets_them(online: People) -> None:
    wanted = [new_id() for _ in range(20)]
    answers = await asyncio.gather(*(online.reserve(HOST, w, must_be_online=True) for w in wanted))
    (winner,) = (session for session, answer in zip(wanted, answers, strict=True) if answer is None)
    assert {answer for answer in answers if answer is not None} == {Held(winner, confirmed=False)}
    assert await online.held_by(HOST) == winner


async def test_who_holds_a_person_may_ask_again(online: People) -> None:
    session = new_id()
    assert await online.reserve(HOST, session, must_be_online=True) is None
    assert await online.reserve(HOST, session, must_be_online=True) is None
    assert await online.confirm(HOST, session)
    assert await online.reserve(HOST, session, must_be_online=True) is None


async def test_nobody_reserves_a_practitioner_who_is_not_there(redis: Redis) -> None:
    everyone = People(redis)
    with pytest.raises(Offline):
        await everyone.reserve(HOST, new_id(), must_be_online=True)
    assert await everyone.held_by(HOST) is None
    assert await everyone.reserve(GUEST, new_id(), must_be_online=False) is None


async def test_a_reservation_that_nobody_confirms_is_none(
    online: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "RESERVED_MS", -2_000)
    first, second = new_id(), new_id()
    await online.reserve(HOST, first, must_be_online=True)
    assert (await online.standing(HOST)).session_id is None
    monkeypatch.undo()
    assert await online.reserve(HOST, second, must_be_online=True) is None
    # The first comes too late to confirm: the person is somebody else's by now.
    assert not await online.confirm(HOST, first)
    standing = await online.standing(HOST)
    assert (standing.session_id, standing.confirmed) == (second, False)


async def test_a_confirmed_lock_has_no_end_and_its_hubs_are_told(redis: Redis, online: People) -> None:
    session = new_id()
    await online.reserve(HOST, session, must_be_online=True)
    async with hearing(redis, keys.person(HOST)) as heard:
        assert await online.confirm(HOST, session)
        await until(lambda: bool(heard))
    assert session.encode() in heard[0]
    assert await online.reserve(HOST, new_id(), must_be_online=True) == Held(session, confirmed=True)
    assert (await online.standing(HOST)).confirmed


async def test_the_lock_of_a_session_that_is_over_is_taken_over(online: People) -> None:
    over, after = new_id(), new_id()
    await online.reserve(HOST, over, must_be_online=True)
    await online.confirm(HOST, over)
    assert await online.reserve(HOST, after, must_be_online=True, over=new_id()) == Held(over, True)
    assert await online.reserve(HOST, after, must_be_online=True, over=over) is None
    # The session that is over can no longer let go of what it does not hold.
    standing = await online.release(HOST, over)
    assert standing.session_id == after


async def test_a_released_person_is_free(online: People) -> None:
    session = new_id()
    await online.reserve(HOST, session, must_be_online=True)
    before = await online.standing(HOST)
    after = await online.release(HOST, session)
    assert (after.session_id, after.sockets) == (None, 1)
    assert after.n > before.n
    assert await online.release(HOST, session) == after
    assert await online.held_by(HOST) is None


async def test_a_practitioner_is_online_as_long_as_one_socket_is(online: People) -> None:
    await online.go_online(HOST, ConnectionId("b"), OTHER_HUB)
    assert await online.online_hubs(HOST) == {HUB, OTHER_HUB}
    assert (await online.lose_connection(HOST, ConnectionId("a"))).sockets == 1
    assert (await online.lose_connection(HOST, ConnectionId("b"))).sockets == 0
    assert await online.online_hubs(HOST) == set()


async def test_a_lost_hub_takes_its_own_sockets_only(online: People) -> None:
    await online.go_online(HOST, ConnectionId("b"), HUB)
    await online.go_online(HOST, ConnectionId("c"), OTHER_HUB)
    assert (await online.lose_hub(HOST, HUB)).sockets == 1
    assert await online.online_hubs(HOST) == {OTHER_HUB}
    assert (await online.go_offline(HOST)).sockets == 0


async def test_a_request_id_names_one_session(redis: Redis) -> None:
    everyone, first, second = People(redis), new_id(), new_id()
    answers = await asyncio.gather(*(everyone.first_request(GUEST, "r", new_id()) for _ in range(10)))
    assert len(set(answers)) == 1
    assert await everyone.first_request(GUEST, "other", first) == first
    assert await everyone.first_request(HOST, "r", second) == second
    await everyone.forget_request(GUEST, "r")
    assert await everyone.first_request(GUEST, "r", first) == first


async def test_the_directory_shows_the_latest_whatever_comes_last(redis: Redis) -> None:
    directory = Directory(redis)
    async with hearing(redis, keys.DIRECTORY) as heard:
        assert await directory.show(standing(2, sockets=1)) == "online"
        await directory.show(standing(1, sockets=0))
        assert await directory.statuses([HOST, GUEST]) == {HOST: "online", GUEST: "offline"}
        await directory.show(standing(3, sockets=1, busy=True))
        await directory.show(standing(4, sockets=0, busy=True))
        await directory.show(standing(5, sockets=0))
        await until(lambda: len(heard) >= 3)
    assert [changed(message) for message in heard] == [(HOST, s, None) for s in ("online", "busy", "offline")]
    assert await directory.not_offline() == []
    await directory.show(standing(6, sockets=1))
    assert await directory.not_offline() == [HOST]
    assert await directory.statuses([]) == {}


def standing(n: int, *, sockets: int, busy: bool = False, who: UserId = HOST) -> Standing:
    """How a practitioner stands."""
    return Standing(who, n, sockets, new_id() if busy else None, confirmed=True)


async def test_what_is_offered_is_told_with_the_status_that_is_shown(redis: Redis) -> None:
    directory = Directory(redis)
    async with hearing(redis, keys.DIRECTORY) as heard:
        await directory.tell(HOST, b'{"name":"Zo\xc3\xab"}')
        await directory.show(standing(1, sockets=1))
        await directory.tell(HOST, b"{}")
        await until(lambda: len(heard) >= 3)
    assert [changed(message) for message in heard] == [
        (HOST, "offline", '{"name":"Zoë"}'.encode()), (HOST, "online", None), (HOST, "online", b"{}"),
    ]  # fmt: skip
