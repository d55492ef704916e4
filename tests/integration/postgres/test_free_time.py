"""Free seconds: once a person and once a card, whoever is faster, and back when they were not used."""

import asyncio
from uuid import uuid4

import asyncpg
from msgspec.structs import replace
from uuid_utils import uuid7

from billing.settlement import held, settle
from rooms.ids import SessionId, UserId
from store.postgres import free_time, sessions, settlements
from store.postgres.free_time import STALE_MS, grant, had_free
from tests.integration.postgres.scene import ENVIRONMENT, MINUTE, T0, TERMS, Scene, ended_scene


def someone() -> tuple[SessionId, UserId, str]:
    return SessionId(str(uuid7())), UserId(str(uuid4())), f"fp_{uuid4().hex}"


async def settled(pool: asyncpg.Pool, scene: Scene, *, reason: str = "ended_by_guest") -> None:
    room = replace(scene.room, terms=replace(TERMS, free_ms=MINUTE), end_reason=reason)
    holds = await settlements.holds(pool, room.id, 1)
    bill = settle(room, room.guests[0], held=tuple(map(held, holds)))
    async with pool.acquire() as connection:
        assert await settlements.commit(connection, room, bill, [], environment=ENVIRONMENT, now_ms=T0)


async def test_a_person_and_a_card_get_it_once(pool: asyncpg.Pool) -> None:
    session, guest, card = someone()
    other_session, other_guest, other_card = someone()
    assert not await had_free(pool, guest, card)
    assert await grant(pool, session, guest, card, now_ms=T0)
    assert await had_free(pool, guest, other_card)
    assert await had_free(pool, other_guest, card)
    assert not await had_free(pool, other_guest, other_card)
    assert not await had_free(pool, other_guest, None)
    assert not await grant(pool, other_session, guest, other_card, now_ms=T0)
    assert not await grant(pool, other_session, other_guest, card, now_ms=T0)
    assert await grant(pool, other_session, other_guest, other_card, now_ms=T0)


async def test_the_same_session_asks_twice(pool: asyncpg.Pool) -> None:
    session, guest, card = someone()
    assert [await grant(pool, session, guest, card, now_ms=T0) for _ in range(2)] == [True, True]


async def test_of_many_at_once_one_gets_it(pool: asyncpg.Pool) -> None:
    _, _, card = someone()
    answers = await asyncio.gather(
        *(grant(pool, session, guest, card, now_ms=T0) for session, guest, _ in (someone() for _ in range(8)))
    )
    assert sum(answers) == 1


async def test_what_was_used_is_used_for_good(pool: asyncpg.Pool) -> None:
    scene, (_, _, card) = await ended_scene(pool), someone()
    assert await grant(pool, scene.id, scene.guest_id, card, now_ms=T0)
    await settled(pool, scene)
    again, _, _ = someone()
    assert not await grant(pool, again, scene.guest_id, card, now_ms=T0 + 2 * STALE_MS)


async def test_what_was_not_used_is_given_back(pool: asyncpg.Pool) -> None:
    scene, (_, _, card) = await ended_scene(pool), someone()
    assert await grant(pool, scene.id, scene.guest_id, card, now_ms=T0)
    await settled(pool, scene, reason="practitioner_conduct")
    again, _, _ = someone()
    assert await grant(pool, again, scene.guest_id, card, now_ms=T0)


async def test_a_request_that_died_on_the_way_costs_nobody_their_free_time(pool: asyncpg.Pool) -> None:
    session, guest, card = someone()
    assert await grant(pool, session, guest, card, now_ms=T0)
    again, _, _ = someone()
    assert not await grant(pool, again, guest, card, now_ms=T0 + STALE_MS)
    assert await grant(pool, again, guest, card, now_ms=T0 + STALE_MS + 1)


async def test_a_session_on_record_keeps_its_grant_however_long_it_takes(pool: asyncpg.Pool) -> None:
    scene, (_, _, card) = await ended_scene(pool), someone()
    assert await sessions.state(pool, scene.id) is not None
    assert await grant(pool, scene.id, scene.guest_id, card, now_ms=T0)
    again, _, _ = someone()
    assert not await grant(pool, again, scene.guest_id, card, now_ms=T0 + 100 * STALE_MS)


async def test_closing_twice_changes_nothing(pool: asyncpg.Pool) -> None:
    session, guest, card = someone()
    assert await grant(pool, session, guest, card, now_ms=T0)
    await free_time.close_grant(pool, session, guest, used=True, now_ms=T0)
    await free_time.close_grant(pool, session, guest, used=False, now_ms=T0)
    assert await had_free(pool, guest, card)
