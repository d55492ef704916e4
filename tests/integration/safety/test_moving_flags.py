"""A flag that was raised with its message comes into the queue, whatever dies or is away in between."""

from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import uuid_utils
from redis.asyncio import Redis

from hub.moderation.flagging import Flagging, raise_flag
from hub.safety import rules
from hub.safety.judging import LOST_AT_MOST_MS, Safety
from hub.workers.flags import LOOK_S, TRIES, Flags
from rooms.ids import SessionId, UserId
from rooms.room import Participant
from rooms.safety.raised import Raised
from rooms.safety.verdict import Category
from store.postgres import flags
from store.privacy.bindings import message_aad
from store.redis import keys
from store.redis.chat import Utterance
from store.redis.raised import Flagged, RaisedQueue, packed
from tests.integration.redis.scene import HUB, chat_of, live, rooms_of

TEXT = "call me on 06 12 34 56 78"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Mover:
    """The duty of one process, and what it gave up."""

    def __init__(self, redis: Redis, raise_: Any, name: str = "one") -> None:
        self.clock = Clock()
        self.given_up: list[Raised] = []
        self.queue = RaisedQueue(redis, consumer=name)
        self.duty = Flags(self.queue, raise_, gave_up=self._note, monotonic_s=self.clock)

    async def _note(self, raised: Raised) -> None:
        self.given_up.append(raised)

    async def again(self) -> int:
        """The next look at everything."""
        self.clock.now_s += LOOK_S
        return await self.duty.run_once()


async def flagged(redis: Redis, parts: Flagging, action: Any = "flag") -> Raised:
    """A message of a guest in a live room, with what was found in it."""
    room = await live(rooms_of(redis))
    sender = room.guests[0]
    message_id = str(uuid_utils.uuid7())
    sealed = parts.keyring.seal(
        await parts.keyring.load(sender.user_id), message_aad(message_id), TEXT.encode()
    )
    raised = raised_for(room.id, sender, message_id, sealed, action)
    said = Utterance(
        room.id, sender.user_id, sender.no, "1", message_id, sealed, b'"text":"x"', packed(raised),
        "sent" if action == "flag" else "blocked",
    )  # fmt: skip
    await chat_of(redis).append(said, HUB)
    return raised


def raised_for(room: str, sender: Participant, message_id: str, sealed: bytes, action: Any) -> Raised:
    return Raised(
        str(uuid4()), room, message_id, sender.user_id, sender.no, Category.CONTACT, "high", "phone", "3",
        action, 11, 25, 0, None, sealed,
    )  # fmt: skip


async def waiting(redis: Redis, raised: Raised) -> int:
    return int(await redis.xlen(keys.raised(raised.session_id[-2:])))


async def expire(redis: Redis, raised: Raised) -> None:
    """Let whoever took the entries on have had them for long."""
    key = keys.raised(raised.session_id[-2:])
    pending = await redis.xpending_range(key, "flags", "-", "+", 10)
    tokens: list[Any] = [entry["message_id"] for entry in pending]
    await redis.xclaim(key, "flags", "one", 0, tokens, idle=60_000, justid=True)


async def test_a_flag_comes_into_the_queue_and_leaves_the_stream(redis: Redis, parts: Flagging) -> None:
    raised = await flagged(redis, parts)
    mover = Mover(redis, partial(raise_flag, parts))
    mover.duty.wake(raised.session_id[-2:])
    assert await mover.duty.run_once() == 1
    assert await waiting(redis, raised) == 0
    flag = await flags.flag(parts.pool, raised.flag_id)
    assert flag is not None
    assert (flag.session_id, flag.message_id, flag.seq) == (raised.session_id, raised.message_id, 1)
    assert (flag.category, flag.severity, flag.rule, flag.status) == ("contact", "high", "phone", "open")
    assert (flag.span_start, flag.span_end) == (11, 25)


async def test_what_was_not_delivered_is_kept_as_evidence(
    redis: Redis, parts: Flagging, pool: asyncpg.Pool
) -> None:
    raised = await flagged(redis, parts, "block")
    assert await Mover(redis, partial(raise_flag, parts)).duty.run_once() == 1
    kept = await pool.fetch("select kind from evidence where flag_id = $1", raised.flag_id)
    assert [row["kind"] for row in kept] == ["message"]


async def test_nobody_has_to_be_woken(redis: Redis, parts: Flagging) -> None:
    raised = await flagged(redis, parts)
    mover = Mover(redis, partial(raise_flag, parts))
    assert await mover.duty.run_once() == 1
    assert await mover.duty.run_once() == 0
    second = await flagged(redis, parts)
    # Between two looks only those buckets are read from which something was heard.
    assert await mover.duty.run_once() == 0
    mover.duty.look_everywhere()
    assert await mover.duty.run_once() == 1
    for one in (raised, second):
        assert await flags.flag(parts.pool, one.flag_id) is not None


async def test_a_crash_after_the_commit_is_absorbed(redis: Redis, parts: Flagging) -> None:
    raised = await flagged(redis, parts, "block")

    async def die_after(one: Raised) -> None:
        await raise_flag(parts, one)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await Mover(redis, die_after).duty.run_once()
    assert await waiting(redis, raised) == 1
    other = Mover(redis, partial(raise_flag, parts), "other")
    assert await other.duty.run_once() == 0
    await expire(redis, raised)
    assert await other.again() == 1
    assert await waiting(redis, raised) == 0
    count = "select count(*) from flags where message_id = $1"
    assert await parts.pool.fetchval(count, raised.message_id) == 1
    kept = "select count(*) from evidence where flag_id = $1"
    assert await parts.pool.fetchval(kept, raised.flag_id) == 1


async def test_while_postgres_is_away_flags_wait(redis: Redis, parts: Flagging) -> None:
    away = True

    async def sometimes(one: Raised) -> None:
        if away:
            raise OSError
        await raise_flag(parts, one)

    first, second = await flagged(redis, parts), await flagged(redis, parts)
    mover = Mover(redis, sometimes)
    for _ in range(TRIES + 1):
        with pytest.raises(OSError, match=r"^$"):
            await mover.again()
        await expire(redis, first)
    away = False
    for one in (first, second):
        await expire(redis, one)
    assert await mover.again() == 2
    assert mover.given_up == []


async def test_one_that_cannot_be_raised_holds_up_no_other_and_a_person_is_told(
    redis: Redis, parts: Flagging
) -> None:
    bad, good = await flagged(redis, parts), await flagged(redis, parts)

    async def picky(one: Raised) -> None:
        if one.flag_id == bad.flag_id:
            raise ValueError("never")
        await raise_flag(parts, one)

    mover = Mover(redis, picky)
    assert await mover.duty.run_once() == 1
    for _ in range(TRIES - 1):
        await expire(redis, bad)
        await mover.again()
    assert [one.flag_id for one in mover.given_up] == [bad.flag_id]
    assert await flags.flag(parts.pool, good.flag_id) is not None
    assert await waiting(redis, bad) == 1


async def test_a_second_flag_of_a_message_is_the_first(redis: Redis, parts: Flagging) -> None:
    raised = await flagged(redis, parts)
    mover = Mover(redis, partial(raise_flag, parts))
    await mover.duty.run_once()
    await mover.queue.add_again(Flagged(SessionId(raised.session_id), packed(raised), 1, 1))
    assert await mover.again() == 1
    found = await parts.pool.fetch("select id from flags where user_id = $1", UserId(raised.user_id))
    assert raised.flag_id in {row["id"] for row in found}
    of_message = await parts.pool.fetchval(
        "select count(*) from flags where message_id = $1", raised.message_id
    )
    assert of_message == 1


async def test_what_the_store_forgot_is_raised_again_by_the_hub_that_raised_it(
    redis: Redis, parts: Flagging
) -> None:
    raised = await flagged(redis, parts)
    safety = Safety(rules.load(), held_ms=1)
    now_ms = parts.now_ms()
    session_id = SessionId(raised.session_id)
    safety.lately.append(Flagged(session_id, packed(raised), now_ms, 7))
    safety.lately.append(Flagged(session_id, packed(raised), now_ms - LOST_AT_MOST_MS - 1, 8))
    await redis.flushall()
    mover = Mover(redis, partial(raise_flag, parts))
    assert await safety.raise_again(mover.queue, now_ms=now_ms) == 1
    assert await mover.duty.run_once() == 1
    flag = await flags.flag(parts.pool, raised.flag_id)
    assert flag is not None
    assert (flag.seq, flag.created_at_ms) == (7, now_ms)
