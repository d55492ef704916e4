"""A live room whose host was at fault: nobody pays, those who had left and were charged before included."""

import asyncio
from uuid import uuid4

import asyncpg
import pytest
from msgspec import Struct
from msgspec.structs import replace

from hub.workers.settle import Settle
from rooms import media
from rooms import room as rooms
from rooms.ids import UserId
from rooms.news import Change
from rooms.room import Participant, Room
from store.postgres import sessions
from store.redis.chat import Chat
from store.redis.settlements import Entry
from tests.integration.postgres.scene import ENVIRONMENT, T0, ended_room, someone
from tests.integration.postgres.test_settle_worker import Bench, bench, redis

__all__ = ["bench", "redis"]
REASONS = ("ended_by_guest", "line_lost", "removed", "guest_conduct", None)


class Wronged(Struct, frozen=True):
    """A room with one guest for each of `REASONS`, and the moderator who decided about its host."""

    room: Room
    moderator: UserId


async def a_room(pool: asyncpg.Pool, end_reason: str) -> Wronged:
    host, moderator = await someone(pool, "practitioner", "Pia"), await someone(pool, "moderator", "Mo")
    first = ended_room(await someone(pool, "guest", "Gus"), host)
    guests = tuple([await _guest(pool, first, no, why) for no, why in enumerate(REASONS, 1)])
    room = replace(first, kind="live_room", seats=9, guests=guests, end_reason=end_reason)
    await sessions.save_session(pool, replace(room, version=1))
    await pool.execute(
        "insert into moderation_actions"
        " (id, session_id, actor_id, user_id, action, reason, note, created_at_ms)"
        " values ($1, $2, $3, $4, 'suspend', 'conduct', '', $5)",
        str(uuid4()), str(uuid4()), moderator, host, T0,
    )  # fmt: skip
    return Wronged(room, moderator)


async def _guest(pool: asyncpg.Pool, room: Room, no: int, why: str | None) -> Participant:
    guest = replace(room.guests[0], no=no, user_id=await someone(pool, "guest", "Gus"), entered_at_ms=T0)
    if why is None:
        return guest
    return replace(guest, lobby="refused", ended_at_ms=room.clock_ms - 60_000, end_reason=why)


async def ordered(pool: asyncpg.Pool, wronged: Wronged) -> list[tuple[UserId, str, UserId]]:
    rows = await pool.fetch(
        "select guest_id::text, reason, ordered_by::text from restitutions"
        " where session_id = $1 and scope = 'session'",
        wronged.room.id,
    )
    return sorted(tuple(row) for row in rows)


@pytest.mark.parametrize("end_reason", ["practitioner_conduct", "practitioner_fault"])
async def test_who_had_left_before_gets_it_back_in_the_name_of_who_decided(
    end_reason: str, bench: Bench, pool: asyncpg.Pool
) -> None:
    wronged = await a_room(pool, end_reason)
    await bench.rooms.create(Change(wronged.room))
    host = Entry(wronged.room.id, wronged.room.practitioner.user_id, "")
    for _ in range(2):
        await bench.worker.settle(host)
    # Not who was put out for their own conduct, and not who was there until the end, who is not charged.
    left = [guest.user_id for guest in wronged.room.guests[:3]]
    assert await ordered(pool, wronged) == sorted((who, end_reason, wronged.moderator) for who in left)


async def test_once_it_is_done_it_is_not_ordered_again(bench: Bench, pool: asyncpg.Pool) -> None:
    wronged = await a_room(pool, "practitioner_conduct")
    await bench.rooms.create(Change(wronged.room))
    host = Entry(wronged.room.id, wronged.room.practitioner.user_id, "")
    await bench.worker.settle(host)
    await pool.execute("update restitutions set done_at_ms = 1 where session_id = $1", wronged.room.id)
    await bench.worker.settle(host)
    assert len(await ordered(pool, wronged)) == 3


async def test_after_any_other_end_nothing_goes_back(bench: Bench, pool: asyncpg.Pool) -> None:
    wronged = await a_room(pool, "ended_by_practitioner")
    await bench.rooms.create(Change(wronged.room))
    await bench.worker.settle(Entry(wronged.room.id, wronged.room.practitioner.user_id, ""))
    assert await ordered(pool, wronged) == []


async def test_whose_part_is_over_while_the_room_goes_on_leaves_the_channel(
    bench: Bench, pool: asyncpg.Pool
) -> None:
    """A token outlasts the part: without this, whoever left would see and hear on, and not pay for it."""
    room = (await a_room(pool, "ended_by_practitioner")).room
    running = replace(room, state=rooms.State.LIVE, ended_at_ms=None, end_reason=None)
    await bench.rooms.create(Change(running))
    worker = Settle(
        pool=pool, queue=bench.queue, rooms=bench.rooms, chat=Chat(bench.redis, interval_ms=0, burst=1),
        environment=ENVIRONMENT, now_ms=lambda: T0, settled=lambda _: asyncio.sleep(0),
        media_longest_ms=600_000,
    )  # fmt: skip
    gone = room.guests[0]
    for guest in (gone, gone, room.guests[-1]):
        await worker.settle(Entry(room.id, guest.user_id, ""))
    kicks = await pool.fetch(
        "select user_id::text, uid, until_ms from media_kicks where session_id = $1", room.id
    )
    until_ms = (gone.ended_at_ms or 0) + 600_000 + room.limits.grace_ms
    assert [tuple(row) for row in kicks] == [(gone.user_id, gone.no + media.FIRST_UID, until_ms)]
