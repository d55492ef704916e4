"""The time-outs of held messages."""

from dataclasses import replace

from redis.asyncio import Redis

from hub.moderation.flagging import Flagging
from hub.safety.holding import HeldTimeouts
from rooms.ids import SessionId
from store.redis.held import Held, HeldMessage
from tests.integration.redis.scene import HUB, chat_of, live, rooms_of, words
from tests.integration.safety.office import Clock, hub_of


class Spoilt(Held):
    """Holds one message that nobody can make anything of."""

    spoilt = ""

    async def get(self, session_id: SessionId, message_id: str) -> HeldMessage | None:
        if message_id == self.spoilt:
            raise ValueError(message_id)
        return await super().get(session_id, message_id)


async def test_one_that_fails_holds_up_no_other(parts: Flagging, redis: Redis) -> None:
    room, held = await live(rooms_of(redis)), Spoilt(redis)
    for n in range(3):
        said = words(room, f"{n}")._replace(flag=b"flag", status="held", why="contact", held_ms=1)
        await chat_of(redis).append(said, HUB)
    hub = replace(hub_of(parts, redis, Clock()), held=held)
    held.spoilt = (await held.of(room.id))[0].message_id
    while len(await held.due(await hub.live.rooms.now_ms())) < 3:
        continue
    assert await HeldTimeouts(hub).run_once() == 2
    assert [one.message_id for one in await held.of(room.id)] == [held.spoilt]
