"""A live room: several guests, each with a bill of their own."""

from uuid import uuid4

import asyncpg
from msgspec.structs import replace
from uuid_utils import uuid7

from billing.settlement import settle
from rooms import room as rooms
from rooms.ids import UserId
from rooms.room import Room
from store.postgres import checkpoints, sessions, settlements
from store.postgres.pool import acting_as
from store.records import Checkpoint
from tests.integration.postgres.scene import ENVIRONMENT, T0, ended_room, messages, someone


async def a_live_room(pool: asyncpg.Pool) -> Room:
    """Two guests, both there to the end."""
    host = await someone(pool, "practitioner", "Pia")
    first, second = await someone(pool, "guest", "Gus"), await someone(pool, "guest", "Ada")
    room = ended_room(first, host)
    guests = (room.guests[0], replace(room.guests[0], no=2, user_id=second, name="Ada"))
    room = replace(room, kind="live_room", seats=5, guests=guests)
    await sessions.save_session(pool, replace(room, version=1))
    return room


async def settle_guest(pool: asyncpg.Pool, room: Room, number: int) -> bool:
    async with pool.acquire() as connection:
        bill = settle(room, room.guests[number - 1], held=())
        return await settlements.commit(
            connection, room, bill, messages(2), environment=ENVIRONMENT, now_ms=T0
        )


async def test_the_record_is_complete_with_the_last_guest(pool: asyncpg.Pool) -> None:
    room = await a_live_room(pool)
    await checkpoints.save(pool, [Checkpoint(room.id, 2, str(uuid4()), T0, 2, b"room")])
    assert await settle_guest(pool, room, 1)
    # What is left of the room may be all there is to settle the other one by.
    assert await checkpoints.checkpoint(pool, room.id) is not None
    assert not await sessions.mark_settled(pool, room.id, now_ms=T0)
    assert await settle_guest(pool, room, 2)
    assert await checkpoints.checkpoint(pool, room.id) is None
    assert await sessions.mark_settled(pool, room.id, now_ms=T0)


async def test_presence_of_the_host_is_recorded_with_each_bill_that_rests_on_it(pool: asyncpg.Pool) -> None:
    room = await a_live_room(pool)
    for number in (1, 2):
        assert await settle_guest(pool, room, number)
    kinds = await pool.fetch(
        "select participant_no, kind from intervals where session_id = $1 order by 1, 2", room.id
    )
    assert [tuple(row) for row in kinds] == [
        (0, "present"), (0, "present"), (1, "billed"), (1, "present"), (2, "billed"), (2, "present"),
    ]  # fmt: skip


async def test_guests_do_not_see_each_others_bills(pool: asyncpg.Pool) -> None:
    room = await a_live_room(pool)
    for number in (1, 2):
        await settle_guest(pool, room, number)

    async def seen_by(user_id: UserId) -> list[int]:
        async with acting_as(pool, user_id) as connection:
            rows = await connection.fetch(
                "select participant_no from settlements where session_id = $1 order by 1", room.id
            )
            assert await connection.fetchval("select count(*) from messages") == 2
            return [row["participant_no"] for row in rows]

    assert await seen_by(room.guests[0].user_id) == [1]
    assert await seen_by(room.guests[1].user_id) == [2]
    assert await seen_by(room.practitioner.user_id) == [1, 2]


async def test_a_room_without_guests_is_not_settled_while_it_runs(pool: asyncpg.Pool) -> None:
    room = replace(await a_live_room(pool), guests=(), state=rooms.State.LIVE)
    empty = replace(room, id=type(room.id)(str(uuid4())))
    await sessions.save_session(pool, empty)
    assert not await sessions.mark_settled(pool, empty.id, now_ms=T0)


async def test_while_the_room_runs_its_checkpoint_stays_whoever_has_left(pool: asyncpg.Pool) -> None:
    """Should the store be lost then, the room is recovered by it."""
    over = await a_live_room(pool)
    left = replace(over.guests[0], lobby="refused", ended_at_ms=over.ended_at_ms, end_reason="ended_by_guest")
    running = replace(over, state=rooms.State.LIVE, ended_at_ms=None, end_reason=None, guests=(left,))
    running = replace(running, id=type(over.id)(str(uuid7())))
    await sessions.save_session(pool, replace(running, version=1))
    await checkpoints.save(pool, [Checkpoint(running.id, 2, str(uuid4()), T0, 2, b"room")])
    bill = settle(running, left, held=())
    async with pool.acquire() as connection:
        assert await settlements.commit(connection, running, bill, None, environment=ENVIRONMENT, now_ms=T0)
    assert await checkpoints.checkpoint(pool, running.id) is not None
