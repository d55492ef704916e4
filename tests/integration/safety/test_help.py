"""Whoever is in danger hears where help is, whatever is lost or fails on the way."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest
import uuid_utils
from redis.asyncio import Redis

from hub import wire
from hub.delivery import Follow
from hub.edge.connection import Connection
from hub.events import chat as chat_events
from hub.hub import Hub
from hub.moderation.flagging import Flagging
from hub.safety import rules
from hub.safety.distress import AGAIN_AFTER_S, UNDER_WAY_S, care
from hub.safety.judging import Safety
from hub.workers import flags as moving
from rooms.ids import HubId, SessionId, UserId
from rooms.safety.verdict import Category
from store.postgres import flags
from store.redis import keys
from store.redis.chat import Appended, Chat, Utterance
from store.redis.notices import Notices
from store.redis.raised import Flagged, RaisedQueue, packed
from tests.integration.redis.scene import GUEST, GUEST_SOCKET, HOST, HUB, PACE, live, rooms_of
from tests.integration.safety.office import a_case

SAID = "I want to kill myself tonight"


class Told(Notices):
    """Notes who is told; the first `failing` times the store is away."""

    def __init__(self, redis: Redis, failing: int = 0) -> None:
        super().__init__(redis)
        self.failing = failing
        self.people: list[UserId] = []

    async def tell(self, user_id: UserId, payload: bytes, *, kind: str = "") -> None:
        if self.failing:
            self.failing -= 1
            raise ConnectionError("away for a moment")
        self.people.append(user_id)


class LosesTheAnswer(Chat):
    """The first message is taken, and the answer to it never comes."""

    lost = False

    async def append(self, said: Utterance, hub: HubId) -> Appended:
        place = await super().append(said, hub)
        if not self.lost:
            self.lost = True
            raise ConnectionError("the answer never came")
        return place


def somebody() -> tuple[SessionId, UserId]:
    return SessionId(str(uuid_utils.uuid7())), UserId(str(uuid4()))


async def test_help_is_told_after_a_try_that_failed(parts: Flagging, redis: Redis) -> None:
    session_id, user_id = somebody()
    notices = Told(redis, failing=1)
    teller = cast(Any, SimpleNamespace(notices=notices, pool=parts.pool))
    with pytest.raises(ConnectionError):
        await care(teller, session_id, user_id, None)
    assert await care(teller, session_id, user_id, None)
    assert await care(teller, session_id, user_id, None)
    assert notices.people == [user_id]


async def test_whoever_dies_telling_keeps_others_from_it_for_seconds_only(redis: Redis) -> None:
    notices, (session_id, user_id) = Notices(redis), somebody()
    assert await notices.is_first(session_id, user_id, within_s=UNDER_WAY_S)
    assert not await notices.know(session_id, user_id)
    assert 0 < await redis.ttl(keys.calmed(session_id, user_id)) <= UNDER_WAY_S
    await notices.keep_first(session_id, user_id, for_s=AGAIN_AFTER_S)
    assert await notices.know(session_id, user_id)
    assert await redis.ttl(keys.calmed(session_id, user_id)) > UNDER_WAY_S


async def test_help_comes_although_the_stores_answer_was_lost(parts: Flagging, redis: Redis) -> None:
    room = await live(rooms_of(redis))
    conn = cast(Connection, SimpleNamespace(id=GUEST_SOCKET, user_id=GUEST, language="en"))
    followed = Follow(room.id, people={one.user_id: one for one in room.people}, joined={GUEST_SOCKET: conn})
    spawned: list[str] = []
    hub = SimpleNamespace(
        follows=SimpleNamespace(by_room={room.id: followed}),
        keyring=parts.keyring,
        safety=Safety(rules.load(), held_ms=60_000),
        chat=LosesTheAnswer(redis, **PACE),
        here=SimpleNamespace(writing=lambda: HUB),
        now_ms=parts.now_ms,
        spawn=lambda name, _job: spawned.append(name),
    )
    body = wire.SendChat(session_id=room.id, client_id="1", text=SAID)
    with pytest.raises(ConnectionError):
        await chat_events.send(cast(Hub, hub), conn, body)
    sent, again = [await chat_events.send(cast(Hub, hub), conn, body) for _ in range(2)]
    assert (sent.seq, again) == (1, sent)
    # Whoever was told lately is not told again, so a repeat may ask for it as well.
    assert spawned == ["distress.care"] * 2
    (lately,) = hub.safety.lately
    assert (lately.session_id, lately.seq, lately.at_ms) == (room.id, 1, sent.at_ms)


@pytest.mark.parametrize(("severity", "told"), [("critical", [GUEST, HOST]), ("medium", [])])
async def test_whoever_moves_the_flag_tells_what_a_dead_hub_could_not(
    parts: Flagging, redis: Redis, monkeypatch: pytest.MonkeyPatch, severity: Any, told: list[UserId]
) -> None:
    room, notices = await live(rooms_of(redis)), Told(redis)
    monkeypatch.setattr(moving, "Notices", lambda _: notices)
    duty = moving.duty_of(parts, redis, consumer=f"{uuid4()}", gave_up=cast(Any, None))
    found = a_case(
        at_ms=parts.now_ms(), category=Category.DISTRESS, severity=severity, user_id=GUEST, session_id=room.id
    )
    await RaisedQueue(redis, consumer="any").add_again(Flagged(room.id, packed(found), found.at_ms, 1))
    assert await duty.run_once() == 1
    assert notices.people == told
    assert await flags.flag(parts.pool, found.flag_id) is not None


async def test_a_flag_stays_taken_while_somebody_else_is_about_to_tell(parts: Flagging, redis: Redis) -> None:
    room = await live(rooms_of(redis))
    duty = moving.duty_of(parts, redis, consumer=f"{uuid4()}", gave_up=cast(Any, None))
    found = a_case(
        at_ms=parts.now_ms(), category=Category.DISTRESS, severity="high", user_id=GUEST, session_id=room.id
    )
    assert await Notices(redis).is_first(room.id, GUEST, within_s=UNDER_WAY_S)
    await RaisedQueue(redis, consumer="any").add_again(Flagged(room.id, packed(found), found.at_ms, 1))
    assert await duty.run_once() == 0
    assert await flags.flag(parts.pool, found.flag_id) is not None
    assert await duty.queue.filled() == [keys.bucket(room.id)]
