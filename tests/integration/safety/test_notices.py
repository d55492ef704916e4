"""A notice reaches a person's sockets, each in its language, with help for where they are."""

from typing import NamedTuple
from uuid import uuid4

import asyncpg
import msgpack
import msgspec
import pytest
from redis.asyncio import Redis

from hub.edge.connection import Connection, event_frame
from hub.edge.language import Spoken
from hub.safety import helplines
from hub.safety.notices import Notice, hear, tell
from hub.words import LANGUAGES, WORDS
from rooms.ids import SessionId, UserId
from store.postgres import people
from store.redis import keys
from store.redis.notices import NOTICE, Notices
from tests.integration.redis.scene import hearing, until


class Teller(NamedTuple):
    notices: Notices
    pool: asyncpg.Pool


class Line:
    heard_s = 0.0

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def end(self, reason: str) -> None:
        raise AssertionError(reason)


def connection(line: Line, spoken: Spoken) -> Connection:
    return Connection(
        None, None, address="", line=line, refreshed=lambda _: None, spoken=spoken,  # type: ignore[arg-type]
    )  # fmt: skip


def body(line: Line) -> dict[str, object]:
    """The one notice that a line was sent."""
    (written,) = line.written
    start = written.index(b"{")
    told: dict[str, object] = msgspec.json.decode(written[start : written.rindex(b"]")])
    assert written == event_frame("safety:notice", written[start : written.rindex(b"]")]).data
    return told


async def somebody(pool: asyncpg.Pool) -> UserId:
    user_id = UserId(str(uuid4()))
    await people.ensure(pool, person_id=user_id, role="guest", name="A", email="a@example.com", now_ms=1)
    return user_id


@pytest.mark.parametrize(
    ("country", "phone", "region", "shown"),
    [
        ("FR", "+14155552671", "GB", "FR"),
        (None, "+33612345678", "GB", "FR"),
        (None, None, "GB", "GB"),
        (None, None, None, "international"),
        ("AQ", None, None, "international"),
    ],
)
async def test_help_is_for_where_the_person_is(
    pool: asyncpg.Pool, redis: Redis, database: object, country: str | None, phone: str | None,
    region: str | None, shown: str,
) -> None:  # fmt: skip
    user_id = await somebody(pool)
    owner = await asyncpg.connect(database.owner_dsn)  # type: ignore[attr-defined]
    await owner.execute("update people set country = $2, phone = $3 where id = $1", user_id, country, phone)
    await owner.close()
    async with hearing(redis, keys.person(user_id)) as heard:
        await tell(Teller(Notices(redis), pool), user_id, Notice("distress_help", "s", help=True))
        await until(lambda: bool(heard))
    kind, payload = msgpack.unpackb(heard[0])
    assert kind == NOTICE
    lines = [Line() for _ in LANGUAGES]
    spoken = [Spoken(language, region) for language in LANGUAGES]
    hear(helplines.load(), [connection(*pair) for pair in zip(lines, spoken, strict=True)], payload)
    for line, language in zip(lines, LANGUAGES, strict=True):
        told = body(line)
        assert told["message"] == WORDS[language].notices["distress_help"]
        assert told["help"]["country"] == shown  # type: ignore[index]
        assert told["help"]["items"]  # type: ignore[index]
        assert told.keys() == {"code", "message", "session_id", "help"}


async def test_what_has_no_words_is_not_told(pool: asyncpg.Pool, redis: Redis) -> None:
    with pytest.raises(KeyError):
        await tell(Teller(Notices(redis), pool), UserId("u"), Notice("no_such_code"))


async def test_help_is_offered_once_for_a_while(redis: Redis) -> None:
    notices, session = Notices(redis), SessionId("s-00")
    assert await notices.is_first(session, UserId("a"), within_s=600)
    assert not await notices.is_first(session, UserId("a"), within_s=600)
    assert await notices.is_first(session, UserId("b"), within_s=600)
    assert await notices.is_first(SessionId("t-00"), UserId("a"), within_s=600)
    assert 0 < await redis.ttl(keys.calmed(session, UserId("a"))) <= 600
