"""A hub of which only the moderators' work is there, and cases to work on."""

import time
from collections.abc import Callable
from typing import Any, cast
from uuid import uuid4

import asyncpg
import uuid_utils
from msgspec.structs import replace
from redis.asyncio import Redis

from config.retention import periods
from hub.edge.auth import Principal
from hub.hub import Hub
from hub.live import Live
from hub.moderation.desk import Desk
from hub.moderation.flagging import Flagging, raise_flag
from hub.moderation.standards import Standards
from rooms.ids import HubId, Role, UserId
from rooms.queue import Severity
from rooms.safety.raised import Raised
from rooms.safety.verdict import Category
from store.moderation_records import Flag
from store.postgres import flags
from store.redis.directory import Directory
from store.redis.held import Held
from store.redis.notices import Notices
from store.redis.people import People
from store.redis.rooms import Rooms


class Clock:
    """Unix milliseconds that pass when a test says so."""

    def __init__(self) -> None:
        self.ms = int(time.time() * 1000)

    def __call__(self) -> int:
        return self.ms


def hub_of(
    parts: Flagging, redis: Redis, now_ms: Callable[[], int], standards: Standards | None = None
) -> Hub:
    """What claims, acts and appeals need of a hub; everything else is not there at all."""
    here = lambda: HubId("hub")  # noqa: E731
    people, directory = People(redis), Directory(redis)

    async def unheard(_: HubId) -> dict[Any, int]:
        return {}

    live = Live(
        Rooms(redis, hub=here, tell=lambda _room, _news, _now_ms: []),
        people,
        directory,
        heard_here=lambda _: {},
        heard_elsewhere=unheard,
        here=here,
    )
    there = {
        "pool": parts.pool, "keyring": parts.keyring, "moderation": parts.moderation, "live": live,
        "standards": standards or parts.standards, "desk": Desk(), "held": Held(redis), "people": people,
        "directory": directory, "notices": Notices(redis), "now_ms": now_ms, "media_longest_ms": 3_600_000,
        "sockets_of": lambda _: (), "periods": periods(),
    }  # fmt: skip
    absent: dict[str, Any] = dict.fromkeys(set(Hub.__dataclass_fields__) - set(there))
    return Hub(**absent, **cast(dict[str, Any], there))


def principal(role: Role = "moderator", user_id: UserId | None = None) -> Principal:
    """Somebody who signed in."""
    return Principal(user_id or UserId(str(uuid4())), role, str(uuid4()), 2**53, "aal2", "Mo", "")


def a_case(
    *,
    at_ms: int,
    category: Category = Category.SCAM,
    severity: Severity = "medium",
    user_id: str | None = None,
    session_id: str | None = None,
) -> Raised:
    """What a rule found in a message that was delivered."""
    return Raised(
        flag_id=str(uuid_utils.uuid7()),
        session_id=session_id or str(uuid_utils.uuid7()),
        message_id=str(uuid_utils.uuid7()),
        user_id=user_id or str(uuid4()),
        participant_no=1,
        category=category,
        severity=severity,
        rule="test",
        rule_version="1",
        action="flag",
        start=0,
        end=4,
        at_ms=at_ms,
        seq=1,
        sealed=b"",
    )


def a_report(about: Raised, *, of_message: bool) -> Raised:
    """A report of the same person in the same session, of that message or of another."""
    return replace(
        about,
        flag_id=str(uuid_utils.uuid7()),
        message_id=about.message_id if of_message else "",
        category=Category.REPORT,
        severity="medium",
        rule="report",
        source="report",
        seq=None,
    )


async def party_to(owner: asyncpg.Pool, session_id: str, *people: str) -> None:
    """Put a session on record with these people in it, the practitioner first."""
    await owner.execute(
        "insert into sessions (id, kind, state, practitioner_id, seats, price_kind, currency,"
        " rate_minor_per_minute, free_ms, fee_bps, minimum_minor, cap_minor, requested_at_ms)"
        " values ($1, 'instant', 'live', $2, 1, 'free', 'usd', 0, 0, 0, 0, 0, 0)",
        session_id,
        people[0],
    )
    for no, user_id in enumerate(people):
        await owner.execute(
            "insert into participants values ($1, $2, $3, $4)",
            session_id,
            no,
            user_id,
            "guest" if no else "practitioner",
        )


async def cases(parts: Flagging, *raised: Raised) -> list[str]:
    """Raise them; their ids."""
    return [await raise_flag(parts, one) for one in raised]


async def found(parts: Flagging, flag_id: str) -> Flag:
    """The case as it is now."""
    flag = await flags.flag(parts.pool, flag_id)
    assert flag is not None
    return flag


async def queue_of(parts: Flagging, who: str | None = None) -> list[str]:
    """The cases that wait, as a moderator is shown them; of nobody in particular, all."""
    listed = await flags.queue(parts.pool, UserId(who or str(uuid4())), after=None, limit=100)
    return [flag.id for flag in listed]
