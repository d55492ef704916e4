"""Whoever watches the queue hears of every case, in every version once, and of none of their own."""

from typing import Any
from uuid import uuid4

import msgpack
import msgspec
import pytest
from msgspec.structs import replace

from hub.edge.auth import Principal
from hub.edge.connection import Connection
from hub.moderation import flagging
from hub.moderation.desk import OVERLAP_MS, Desk
from hub.moderation.flagging import Flagging, raise_flag
from rooms.ids import ConnectionId, Role, UserId
from store.postgres import flags
from tests.integration.safety.office import Clock, a_case, principal


class Paper:
    """A line that keeps what is written on it."""

    heard_s = 0.0

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.frames.append(data)

    def end(self, reason: str) -> None:
        """Nothing to close."""

    def told(self, flag_id: str) -> list[int]:
        """The versions in which a case was told."""
        bodies: list[Any] = [msgspec.json.decode(frame[frame.index(b"[") :])[1] for frame in self.frames]
        return [body["flag"]["version"] for body in bodies if body["flag"]["id"] == flag_id]


def watching(desk: Desk, clock: Clock, who: Principal | None = None) -> Paper:
    paper = Paper()
    connection = Connection(
        ConnectionId(str(uuid4())), who or principal(), address="", line=paper, refreshed=lambda _: None
    )
    desk.watch(connection, now_ms=clock.ms)
    return paper


@pytest.fixture
def parts_at(parts: Flagging, clock: Clock) -> Flagging:
    return replace(parts, now_ms=clock)


async def news_of(parts: Flagging, flag_id: str) -> bytes:
    flag = await flags.flag(parts.pool, flag_id)
    assert flag is not None
    told = await flagging.told(parts, flag)
    return bytes(msgpack.packb(list(told)))


async def test_what_nobody_announced_is_found_in_the_record(parts_at: Flagging, clock: Clock) -> None:
    desk = Desk()
    paper = watching(desk, clock)
    clock.ms += 1_000
    flag_id = await raise_flag(parts_at, a_case(at_ms=clock.ms))
    for _ in range(2):
        await desk.run_once(parts_at)
    assert paper.told(flag_id) == [1]


async def test_what_was_announced_is_not_told_again(parts_at: Flagging, clock: Clock) -> None:
    desk = Desk()
    paper = watching(desk, clock)
    flag_id = await raise_flag(parts_at, a_case(at_ms=clock.ms))
    news = await news_of(parts_at, flag_id)
    for _ in range(2):
        desk.hear(news)
    await desk.run_once(parts_at)
    assert paper.told(flag_id) == [1]


async def test_older_news_do_not_follow_newer(parts_at: Flagging, clock: Clock) -> None:
    desk = Desk()
    paper = watching(desk, clock)
    flag_id = await raise_flag(parts_at, a_case(at_ms=clock.ms))
    old = await news_of(parts_at, flag_id)
    await flags.aggravate(
        parts_at.pool, flag_id, severity="high", reports=1, due_by_ms=clock.ms, now_ms=clock.ms
    )
    desk.hear(await news_of(parts_at, flag_id))
    desk.hear(old)
    assert paper.told(flag_id) == [2]


async def test_what_committed_late_is_found(parts_at: Flagging, clock: Clock) -> None:
    desk = Desk()
    paper = watching(desk, clock)
    clock.ms += 60_000
    await desk.run_once(parts_at)
    flag_id = await raise_flag(
        replace(parts_at, now_ms=lambda: clock.ms - OVERLAP_MS + 1), a_case(at_ms=clock.ms)
    )
    clock.ms += 1_000
    await desk.run_once(parts_at)
    assert paper.told(flag_id) == [1]


async def test_nobody_hears_of_their_own_case(parts_at: Flagging, clock: Clock) -> None:
    desk, own = Desk(), principal()
    theirs, others = watching(desk, clock, own), watching(desk, clock)
    flag_id = await raise_flag(parts_at, a_case(at_ms=clock.ms, user_id=own.user_id))
    desk.hear(await news_of(parts_at, flag_id))
    await desk.run_once(parts_at)
    assert theirs.told(flag_id) == []
    assert others.told(flag_id) == [1]


@pytest.mark.parametrize("role", ["guest", "practitioner", "admin"])
async def test_who_is_no_moderator_any_more_hears_nothing(
    parts_at: Flagging, clock: Clock, role: Role
) -> None:
    desk = Desk()
    paper = watching(desk, clock, principal(role, UserId(str(uuid4()))))
    flag_id = await raise_flag(parts_at, a_case(at_ms=clock.ms))
    await desk.run_once(parts_at)
    assert paper.told(flag_id) == []
