"""What one decision does, and what taking it back leaves: counted once, ended everywhere, never too final."""

import dataclasses
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest
from msgspec.structs import replace as changed
from redis.asyncio import Redis

from hub.edge.auth import Principal
from hub.edge.connection import Connection
from hub.errors import Refused
from hub.events import auth
from hub.hub import Hub
from hub.moderation import appealing, moderating, repeats
from hub.moderation.flagging import Flagging
from hub.wire import RefreshToken
from hub.wire_moderation import Act, Acted, DecideAppeal, MakeAppeal
from hub.workers.acts import Acts
from rooms.ids import UserId
from rooms.moderation import NotForDistress
from rooms.room import Room, State
from rooms.safety.verdict import Category
from sandbox.postgres import PostgresAddress
from store.moderation_records import Appeal
from store.postgres import acts, erasures, people, suspensions
from store.postgres.pool import connect
from tests.integration.redis.scene import GUEST, HOST, HUB, chat_of, live, new_id, rooms_of
from tests.integration.redis.test_withheld import held
from tests.integration.safety.office import Clock, a_case, cases, hub_of, party_to, principal
from tests.integration.safety.test_killed_acts import together

DAY_MS = 86_400_000


@pytest.fixture
def hub(parts: Flagging, redis: Redis, clock: Clock) -> Hub:
    return hub_of(changed(parts, now_ms=clock), redis, clock)


async def minor(hub: Hub, database: PostgresAddress) -> tuple[UserId, Acted]:
    """A guest whom a moderator has just taken for a minor."""
    guest, host = UserId(str(uuid4())), UserId(str(uuid4()))
    for one in (guest, host):
        await people.ensure(
            hub.pool, person_id=one, role="guest" if one == guest else "practitioner", name="A",
            email="a@example.com", now_ms=1,
        )  # fmt: skip
    case = a_case(at_ms=hub.now_ms(), category=Category.MINOR, user_id=guest)
    owner = await connect(database.owner_dsn, size=1)
    await party_to(owner, case.session_id, host, guest)
    await owner.close()
    (flag_id,) = await cases(cast(Flagging, hub), case)
    return guest, await moderating.act(
        hub, principal(), Act(case.session_id, "suspend", "looks young", flag_id=flag_id)
    )


async def appealed(hub: Hub, user_id: UserId, action_id: str) -> Appeal:
    return await appealing.make(
        hub, principal("guest", user_id), MakeAppeal(action_id=action_id, text="I am 34")
    )


async def is_due(hub: Hub, user_id: UserId) -> bool:
    due = await erasures.due(hub.pool, now_ms=hub.now_ms(), limit=100, lease_ms=1)
    return user_id in [one.user_id for one in due]


async def names(pool: asyncpg.Pool, user_id: UserId) -> list[str]:
    rows = await pool.fetch("select action from audit_entries where subject_id = $1 order by n", user_id)
    return [row["action"] for row in rows]


async def test_nobody_is_removed_while_they_may_still_say_that_it_is_wrong(
    hub: Hub, clock: Clock, database: PostgresAddress
) -> None:
    guest, done = await minor(hub, database)
    assert await suspensions.is_suspended(hub.pool, guest, clock.ms + 1)
    clock.ms += hub.standards.appeal_ms - 1
    assert not await is_due(hub, guest)
    assert not await erasures.contested(hub.pool, guest)
    await appealed(hub, guest, done.action_id)
    clock.ms += DAY_MS
    # The time is over, but nobody has decided yet what they said in time.
    assert await is_due(hub, guest)
    assert await erasures.contested(hub.pool, guest)


async def test_whoever_is_no_minor_after_all_stays(hub: Hub, clock: Clock, database: PostgresAddress) -> None:
    guest, done = await minor(hub, database)
    made = await appealed(hub, guest, done.action_id)
    await appealing.decide(hub, principal(), made.id, DecideAppeal(decision="overruled", note="an adult"))
    clock.ms += hub.standards.appeal_ms + DAY_MS
    assert not await is_due(hub, guest)
    assert not await suspensions.is_suspended(hub.pool, guest, clock.ms)
    assert (await names(hub.pool, guest))[-2:] == ["erasure_cancelled", "appeal_decided"]
    row = await hub.pool.fetchrow("select step, cancelled_at_ms from erasures where user_id = $1", guest)
    assert row is not None
    assert (row["step"], row["cancelled_at_ms"] is None) == (0, False)
    kinds = await hub.pool.fetch("select kind from cases where subject = $1", done.action_id)
    assert [one["kind"] for one in kinds] == ["decision_overruled"]


async def test_the_same_said_twice_counts_once(hub: Hub, clock: Clock, redis: Redis) -> None:
    room = await together(rooms_of(redis))
    guest, mod = room.guests[0].user_id, principal()
    twice = [await moderating.act(hub, mod, Act(room.id, "warn", "x", user_id=guest)) for _ in range(2)]
    assert twice[0].action_id == twice[1].action_id
    # Another moderator's, or one much later, is another one.
    await moderating.act(hub, principal(), Act(room.id, "warn", "x", user_id=guest))
    clock.ms += repeats.REPEAT_MS + 1
    await moderating.act(hub, mod, Act(room.id, "warn", "x", user_id=guest))
    counted = await acts.strikes(hub.pool, [guest])
    assert len(counted[guest]) == 3


async def test_the_same_after_something_else_is_not_the_same(hub: Hub, redis: Redis) -> None:
    room = await together(rooms_of(redis))
    guest, mod = room.guests[0].user_id, principal()
    for action in ("mute", "unmute", "mute"):
        await moderating.act(hub, mod, Act(room.id, cast(Any, action), "x", user_id=guest))
    assert await is_muted(redis, room, guest)


async def is_muted(redis: Redis, room: Room, user_id: UserId) -> bool:
    person = (await rooms_of(redis).require(room.id)).room.participant(user_id)
    return person is not None and person.muted


async def test_what_was_decided_later_stands_by_a_clock_that_is_behind(
    hub: Hub, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await together(rooms_of(redis))
    guest = room.guests[0].user_id
    muted = await moderating.act(hub, principal(), Act(room.id, "mute", "x", user_id=guest))
    # The other hub's ids begin with a time long ago.
    behind = SimpleNamespace(uuid7=lambda: f"00000000-0000-7000-8000-{uuid4().hex[:12]}")
    monkeypatch.setattr("hub.moderation.deciding.uuid_utils", behind)
    unmuted = await moderating.act(hub, principal(), Act(room.id, "unmute", "x", user_id=guest))
    before = [await acts.action(hub.pool, one.action_id) for one in (muted, unmuted)]
    assert [await acts.superseded(hub.pool, one) for one in before if one is not None] == [True, False]
    assert not await is_muted(redis, room, guest)


async def test_whoever_is_suspended_leaves_the_session_they_are_in_now(
    hub: Hub, redis: Redis, database: PostgresAddress
) -> None:
    rooms = rooms_of(redis)
    now, earlier = await together(rooms), new_id()
    guest, host, earlier_host = now.guests[0].user_id, now.practitioner.user_id, str(uuid4())
    owner = await connect(database.owner_dsn, size=1)
    await party_to(owner, earlier, earlier_host, guest)
    await owner.close()
    assert await hub.people.reserve(guest, now.id, must_be_online=False) is None
    done = await moderating.act(hub, principal(), Act(earlier, "suspend", "because", user_id=guest))
    after = (await rooms.require(now.id)).room
    assert (after.state, after.end_reason) == (State.ENDED, "guest_conduct")
    kicked = await hub.pool.fetch("select user_id from media_kicks where session_id = $1", now.id)
    assert {one["user_id"] for one in kicked} == {guest, host}
    entries = await hub.pool.fetch("select action from audit_entries where session_id = $1", now.id)
    assert [one["action"] for one in entries] == ["acted_suspend"]
    # Overruled, somebody looks at who paid for the session that it ended.
    made = await appealed(hub, guest, done.action_id)
    await appealing.decide(hub, principal(), made.id, DecideAppeal(decision="overruled", note="no"))
    assert await hub.pool.fetchval("select count(*) from cases where subject = $1", done.action_id) == 1


@pytest.mark.parametrize("action", ["warn", "mute", "end"])
async def test_whoever_acts_because_of_a_held_message_does_not_let_it_through(
    hub: Hub, clock: Clock, redis: Redis, action: Any
) -> None:
    room = await live(rooms_of(redis))
    said = held(room, "1", "release")
    await chat_of(redis).append(said, HUB)
    case = changed(
        a_case(at_ms=clock.ms, user_id=GUEST, session_id=room.id), message_id=said.message_id, action="hold"
    )
    (flag_id,) = await cases(cast(Flagging, hub), case)
    await moderating.act(hub, principal(), Act(room.id, action, "x", flag_id=flag_id, user_id=GUEST))
    assert await hub.held.get(room.id, said.message_id) is None
    assert await chat_of(redis).transcript(room.id) == []


async def test_a_held_message_waits_on_when_somebody_else_is_at_fault(
    hub: Hub, clock: Clock, redis: Redis
) -> None:
    room = await live(rooms_of(redis))
    said = held(room, "1", "release")
    await chat_of(redis).append(said, HUB)
    case = changed(
        a_case(at_ms=clock.ms, user_id=GUEST, session_id=room.id), message_id=said.message_id, action="hold"
    )
    (flag_id,) = await cases(cast(Flagging, hub), case)
    await moderating.act(hub, principal(), Act(room.id, "warn", "x", flag_id=flag_id, user_id=HOST))
    assert await hub.held.get(room.id, said.message_id) is not None


async def test_somebody_who_may_be_in_danger_is_not_punished_past_their_case(
    hub: Hub, clock: Clock, redis: Redis
) -> None:
    room = await together(rooms_of(redis))
    guest, mod = room.guests[0].user_id, principal()
    case = a_case(at_ms=clock.ms, category=Category.DISTRESS, user_id=guest, session_id=room.id)
    (flag_id,) = await cases(cast(Flagging, hub), case)
    for action in ("warn", "mute", "remove", "suspend", "end"):
        with pytest.raises(NotForDistress):
            await moderating.act(hub, mod, Act(room.id, cast(Any, action), "x", user_id=guest))
    await moderating.act(hub, mod, Act(room.id, "warn", "x", user_id=room.practitioner.user_id))
    await moderating.act(hub, mod, Act(room.id, "dismiss", "x", flag_id=flag_id))
    await moderating.act(hub, mod, Act(room.id, "mute", "x", user_id=guest))
    assert await is_muted(redis, room, guest)


# Somebody who is suspended, and whom a hub has not let go.


class Kept:
    """A connection of somebody, and why it was dropped."""

    def __init__(self, user_id: UserId) -> None:
        self.user_id = user_id
        self.dropped: list[str] = []

    def drop(self, reason: str) -> None:
        self.dropped.append(reason)

    def refresh(self, _: Principal) -> None:
        raise AssertionError("went on")


async def test_whom_a_hub_did_not_hear_to_let_go_is_let_go_at_the_next_look(hub: Hub, redis: Redis) -> None:
    room = await together(rooms_of(redis))
    guest, host = room.guests[0].user_id, room.practitioner.user_id
    await moderating.act(hub, principal(), Act(room.id, "suspend", "x", user_id=guest))
    here = {one: Kept(one) for one in (guest, host)}
    there = dataclasses.replace(hub, sockets_of=lambda one: cast(Any, [here[one]] if one in here else []))
    await Acts(there).run_once()
    assert [here[guest].dropped, here[host].dropped] == [["suspended"], []]


async def test_nobody_suspended_goes_on_under_a_newer_token(hub: Hub, redis: Redis) -> None:
    room = await together(rooms_of(redis))
    guest = principal("guest", room.guests[0].user_id)
    await moderating.act(hub, principal(), Act(room.id, "suspend", "x", user_id=guest.user_id))

    async def verify(_: str) -> Principal:
        return guest

    there = dataclasses.replace(hub, identity=cast(Any, SimpleNamespace(verify=verify)))
    with pytest.raises(Refused) as refused:
        await auth.refresh(there, cast(Connection, Kept(guest.user_id)), RefreshToken(token="newer"))
    assert refused.value.code == "suspended"
