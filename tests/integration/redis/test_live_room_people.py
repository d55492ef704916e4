"""Whom a live room lets go: each once, by the change that put them out."""

import asyncio
from functools import partial

from redis.asyncio import Redis

from hub.live import Live
from rooms import lobby
from rooms.directory import Standing
from rooms.ids import ConnectionId, SessionId, UserId
from rooms.room import Limits, Terms
from store.redis.directory import Directory
from store.redis.people import People
from tests.integration.redis.scene import HUB, new_id, rooms_of

HOST, GUESTS = UserId("host"), [UserId(f"g{number}") for number in range(3)]
FREE = Terms("free", "usd", 0, 0, 2_000, 0, 0)


class Counting(People):
    """The locks, and who was let go."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self.let_go: list[UserId] = []

    async def release(self, user_id: UserId, session_id: SessionId) -> Standing:
        self.let_go.append(user_id)
        return await super().release(user_id, session_id)


async def test_who_is_put_out_beside_others_is_let_go_once(redis: Redis) -> None:
    """A second time could come after they had knocked again, and leave that knock without its lock."""
    people, rooms = Counting(redis), rooms_of(redis)
    room_live = Live(
        rooms, people, Directory(redis),
        heard_here=lambda _room: {}, heard_elsewhere=lambda _hub: asyncio.sleep(0, {}), here=lambda: HUB,
    )  # fmt: skip
    opened = lobby.open_room(
        new_id(), host=(HOST, "Pia"), terms=FREE, limits=Limits(), seats=5, history="all", starts_at_ms=None,
        now_ms=await rooms.now_ms(),
    )  # fmt: skip
    room = await rooms.create(opened)
    for who in GUESTS:
        line = ConnectionId(f"{who}-line")
        knock = partial(lobby.knock, who=(who, who), request_id="k", connection=line, hub=HUB)
        await room_live.change(room.id, knock)
    # The first has the turn; the others wait, and are decided together.
    decided = [
        partial(lobby.admit, who=HOST, user_id=GUESTS[0]),
        partial(lobby.admit, who=HOST, user_id=GUESTS[2]),
        partial(lobby.take_back, who=GUESTS[1]),
    ]
    await asyncio.gather(*(room_live.change(room.id, decide) for decide in decided))
    assert people.let_go == [GUESTS[1]]
