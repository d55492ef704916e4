"""A process is killed in the middle of what a moderator decided; another one finishes it, once."""

import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from uuid import uuid4

import asyncpg
import msgspec
import pytest
from redis.asyncio import Redis

from hub.errors import Refused
from hub.hub import Hub
from hub.moderation import deciding, moderating, suspending
from hub.moderation.flagging import Flagging
from hub.wire_moderation import Act
from hub.workers.acts import Acts
from rooms import session
from rooms.ids import ConnectionId, HubId, UserId
from rooms.room import Limits, Room, State, Terms
from sandbox.postgres import PostgresAddress
from store.postgres import acts, suspensions
from store.privacy.bindings import action_note_aad
from store.redis.rooms import Rooms
from tests.integration.redis.scene import enter, new_id, rooms_of
from tests.integration.safety.actor import POINTS
from tests.integration.safety.office import Clock, cases, principal
from tests.integration.safety.office import a_case as a_case_of

ROOT = Path(__file__).parents[3]
SUSPENDING = ("committed", "room", "offline", "told", "refreshed", "unfinished")
IN_ROOM = ("committed", "room", "told", "unfinished")


def kill_at(point: str, database: PostgresAddress, valkey: str, actor: str, body: Act) -> None:
    """Another process acts, up to this point, and is killed there."""
    task = msgspec.json.encode({"actor": actor, "body": body})
    running = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.safety.actor", database.hub_dsn, valkey, point],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert running.stdin is not None
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdin.write(task)
    running.stdin.close()
    reached = running.stdout.readline().decode().strip()
    try:
        assert reached == point, reached or running.stderr.read().decode()[-2000:]
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
        running.stdout.close()
        running.stderr.close()


async def together(rooms: Rooms) -> Room:
    """A live session of two people whom no other test knows."""
    host, guest = UserId(str(uuid4())), UserId(str(uuid4()))
    asked = session.request(
        new_id(),
        practitioner=(host, "Host"),
        guest=(guest, "Guest"),
        terms=Terms("free", "usd", 0, 0, 0, 0, 0),
        limits=Limits(),
        now_ms=await rooms.now_ms(),
    )
    room = await rooms.create(asked)
    await rooms.change(room.id, partial(session.accept, who=host))
    await enter(rooms, room.id, host, ConnectionId("h"))
    return (await enter(rooms, room.id, guest, ConnectionId("g"))).room


async def one_of(pool: asyncpg.Pool, table: str, user_id: str) -> int:
    found: int = await pool.fetchval(f"select count(*)::int from {table} where user_id = $1", user_id)
    return found


@pytest.mark.parametrize("point", SUSPENDING)
async def test_a_suspension_is_finished_by_another(
    hub: Hub, clock: Clock, redis: Redis, valkey: str, database: PostgresAddress, point: str
) -> None:
    rooms = rooms_of(redis)
    room = await together(rooms)
    host = room.practitioner.user_id
    await hub.people.go_online(host, ConnectionId("h"), HubId("hub-a"))
    body = Act(room.id, "suspend", "because", user_id=host, duration_s=3600)
    kill_at(point, database, valkey, str(uuid4()), body)
    assert await suspensions.is_suspended(hub.pool, host, clock.ms + 1_000)
    duty = Acts(hub)
    clock.ms += deciding.FINISH_MS + 10_000
    assert await duty.run_once() == 1
    after = (await rooms.require(room.id)).room
    assert (after.state, after.end_reason) == (State.ENDED, "practitioner_conduct")
    assert (await hub.people.standing(host)).sockets == 0
    with pytest.raises(Refused):
        await suspending.require_welcome(hub, host)
    for table in ("moderation_actions", "strikes", "suspensions"):
        assert await one_of(hub.pool, table, host) == 1
    assert await duty.run_once() == 0


@pytest.mark.parametrize("point", IN_ROOM)
async def test_an_end_is_finished_by_another(
    hub: Hub, clock: Clock, redis: Redis, valkey: str, database: PostgresAddress, parts: Flagging, point: str
) -> None:
    rooms = rooms_of(redis)
    room = await together(rooms)
    guest = room.guests[0].user_id
    case = a_case_of(at_ms=clock.ms, user_id=guest, session_id=room.id)
    (flag_id,) = await cases(parts, case)
    actor = str(uuid4())
    body = Act(room.id, "end", "because", flag_id=flag_id, user_id=guest)
    kill_at(point, database, valkey, actor, body)
    # The moderator, whose answer never came, asks again: it is the same action, and it is done now.
    again = await moderating.act(hub, principal(user_id=UserId(actor)), body)
    after = (await rooms.require(room.id)).room
    assert (after.state, after.end_reason) == (State.ENDED, "guest_conduct")
    assert (again.flag.status if again.flag else None) == "resolved"
    assert await one_of(hub.pool, "moderation_actions", guest) == 1
    clock.ms += 60_000
    assert await Acts(hub).run_once() == 0


@pytest.mark.parametrize("point", IN_ROOM)
async def test_what_was_decided_later_stands(
    hub: Hub, clock: Clock, redis: Redis, valkey: str, database: PostgresAddress, point: str
) -> None:
    rooms = rooms_of(redis)
    room = await together(rooms)
    guest = room.guests[0].user_id
    kill_at(point, database, valkey, str(uuid4()), Act(room.id, "mute", "because", user_id=guest))
    await moderating.act(hub, principal(), Act(room.id, "unmute", "because", user_id=guest))
    clock.ms += 60_000
    assert await Acts(hub).run_once() == 1
    person = (await rooms.require(room.id)).room.participant(guest)
    assert person is not None
    assert not person.muted


async def test_every_point_is_tried() -> None:
    assert set(SUSPENDING) == set(POINTS)


# What the live store forgets.


async def test_a_suspension_outlives_the_live_store(hub: Hub, redis: Redis) -> None:
    room = await together(rooms_of(redis))
    guest = room.guests[0].user_id
    await moderating.act(hub, principal(), Act(room.id, "suspend", "because", user_id=guest))
    await redis.flushall()
    await suspending.require_welcome(hub, guest)  # Forgotten, until somebody reads the record.
    await suspending.remember_all(hub)
    with pytest.raises(Refused) as refused:
        await suspending.require_welcome(hub, guest)
    assert (refused.value.code, refused.value.until_ms) == ("suspended", None)


async def test_a_memory_that_is_wrong_keeps_nobody_out(hub: Hub) -> None:
    nobody = UserId(str(uuid4()))
    await hub.moderation.remember(nobody, until_ms=None)
    await suspending.require_welcome(hub, nobody)
    assert await hub.moderation.suspended_until(nobody) is None


async def test_a_suspension_for_a_time_is_over_by_itself(hub: Hub, redis: Redis, clock: Clock) -> None:
    room = await together(rooms_of(redis))
    guest = room.guests[0].user_id
    await moderating.act(hub, principal(), Act(room.id, "suspend", "x", user_id=guest, duration_s=60))
    assert await suspensions.is_suspended(hub.pool, guest, clock.ms + 59_000)
    clock.ms += 60_000
    await suspending.require_welcome(hub, guest)


async def test_the_longest_of_several_counts(hub: Hub, redis: Redis) -> None:
    room = await together(rooms_of(redis))
    guest = room.guests[0].user_id
    long = await moderating.act(hub, principal(), Act(room.id, "suspend", "x", user_id=guest))
    await moderating.act(hub, principal(), Act(room.id, "suspend", "x", user_id=guest, duration_s=60))
    assert await hub.moderation.suspended_until(guest) == 0
    found = await suspensions.current(hub.pool, guest, now_ms=hub.now_ms())
    assert found is not None
    assert found.action_id == long.action_id


async def test_notes_are_sealed_and_hold_no_card_number(hub: Hub, redis: Redis) -> None:
    room = await together(rooms_of(redis))
    guest = room.guests[0].user_id
    note = "they sent 4242 4242 4242 4242 to the host"
    done = await moderating.act(hub, principal(), Act(room.id, "warn", note, user_id=guest))
    action = await acts.action(hub.pool, done.action_id)
    assert action is not None
    assert b"they sent" not in action.note
    key = await hub.keyring.load(action.id)
    opened = hub.keyring.open(key, action_note_aad(action.id), action.note).decode()
    assert "4242 4242 4242 4242" not in opened
    assert opened.endswith("4242 to the host")
