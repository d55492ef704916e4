"""Cases for moderators: raised, told to whoever watches the queue, and put into the words of the contract."""

from collections.abc import Callable, Collection
from typing import Final, Protocol

import asyncpg
import msgspec
import structlog
from msgspec import UNSET
from msgspec.structs import replace
from redis.exceptions import RedisError

from hub import wire_moderation
from hub.moderation.standards import Standards
from hub.safety import evidence
from rooms import queue, strikes
from rooms.ids import SessionId, UserId
from rooms.safety.raised import Raised
from rooms.safety.verdict import Category
from store.moderation_records import Flag, NewFlag
from store.postgres import acts, flags
from store.postgres.pool import Db, Transacting
from store.privacy.bindings import message_aad
from store.privacy.keys import Keyring, SealBrokenError, ShreddedError
from store.redis.moderation import Moderation, Told

log = structlog.get_logger()

KEPT: Final = frozenset({Category.MINOR, Category.DISTRESS})
"""What is kept although it was delivered: an appeal is judged by it even when its writer's key is gone."""


class Parts(Protocol):
    """What raising a case needs of a process: a hub has it, and a worker's `Flagging`."""

    @property
    def pool(self) -> asyncpg.Pool:
        """The record."""

    @property
    def keyring(self) -> Keyring:
        """The keys to what people wrote."""

    @property
    def moderation(self) -> Moderation:
        """The channel of cases."""

    @property
    def standards(self) -> Standards:
        """The numbers."""

    @property
    def now_ms(self) -> Callable[[], int]:
        """Unix milliseconds."""


async def raise_flag(parts: Parts, raised: Raised, *, reporter_id: UserId | None = None) -> str:
    """Put a case into the queue, with the message itself where it was not delivered or is `KEPT`; its id.

    A message has one case, and so have all reports of one person in one session while it is open: what comes
    later makes it press more. Repeatable. Raises what Postgres raises; then nothing of it is on record.
    """
    async with parts.pool.acquire() as connection, connection.transaction():
        flag_id = await put(parts, connection, raised, reporter_id=reporter_id)
    await tell_changed(parts, flag_id)
    return flag_id


async def put(parts: Parts, db: Transacting, raised: Raised, *, reporter_id: UserId | None = None) -> str:
    """The same in the caller's transaction, which stands or falls with it. Whoever calls tells of it then."""
    if raised.source == "report":
        return await _report(parts, db, raised, reporter_id)
    return await _find(parts, db, raised)


async def _find(parts: Parts, db: Transacting, raised: Raised) -> str:
    """A rule found something in a message. If that was reported before the finding got here, the report's
    case is about the finding from now on; where that is decided already, the finding is a case of its own.
    """
    now_ms = parts.now_ms()
    flag = _new(raised, raised.flag_id, message_id=raised.message_id or None, reports=0)
    if not await flags.insert_flag(db, flag, now_ms=now_ms):
        known = await flags.flag_of_message(db, raised.message_id) if raised.message_id else None
        reported = None if known is None else await flags.lock_flag(db, known)
        if reported is None or reported.category != Category.REPORT:
            return known or raised.flag_id
        if reported.status in ("open", "claimed"):
            severity = queue.graver(reported.severity, flag.severity)
            flag = replace(flag, id=reported.id, severity=severity)
            await flags.take_over(db, flag, now_ms=now_ms)
        else:
            flag = replace(flag, message_id=None, seq=None)
            await flags.insert_flag(db, flag, now_ms=now_ms)
    if raised.action != "flag" or raised.category in KEPT:
        text = await _opened(parts.keyring, raised)
        if text is not None:
            await evidence.keep(
                db,
                parts.keyring,
                flag_id=flag.id,
                session_id=flag.session_id,
                subject_id=flag.user_id,
                kind="message",
                content=text,
                now_ms=now_ms,
                keep_ms=parts.standards.evidence_ms,
            )
    return flag.id


async def _report(parts: Parts, db: Transacting, raised: Raised, reporter_id: UserId | None) -> str:
    """Somebody pointed at a message or a person. What is decided already is not opened again: a report that
    comes later is a case of its own.
    """
    now_ms = parts.now_ms()
    session_id, user_id = SessionId(raised.session_id), UserId(raised.user_id)
    await flags.lock_subject(db, session_id, user_id)
    of_message = await flags.flag_of_message(db, raised.message_id) if raised.message_id else None
    known = of_message if await _is_open(db, of_message) else None
    if known is None and raised.review_id is not None:
        known = await flags.flag_of_review(db, raised.review_id, user_id)
    elif known is None:
        known = await flags.reported_flag(db, session_id, user_id)
    if known is None:
        message_id = None if of_message is not None else raised.message_id or None
        flag = _new(raised, raised.flag_id, message_id=message_id, reports=1)
        if await flags.insert_flag(db, flag, now_ms=now_ms) and reporter_id is not None:
            await flags.add_reporter(db, flag.id, reporter_id, now_ms=now_ms)
            await _press(db, flag.id, raised, more=0, now_ms=now_ms)
        return flag.id
    if reporter_id is None or await flags.add_reporter(db, known, reporter_id, now_ms=now_ms):
        await _press(db, known, raised, more=1, now_ms=now_ms)
    return known


async def _is_open(db: Db, flag_id: str | None) -> bool:
    found = None if flag_id is None else await flags.flag(db, flag_id)
    return found is not None and found.status in ("open", "claimed")


async def _press(db: Transacting, flag_id: str, raised: Raised, *, more: int, now_ms: int) -> None:
    """The case waits shorter, by what those who report it were right about before."""
    flag = await flags.lock_flag(db, flag_id)
    if flag is None:
        return
    severity = queue.graver(flag.severity, raised.severity)
    worths = [
        queue.accuracy(upheld=word.upheld, decided=word.decided) for word in await flags.words(db, flag_id)
    ]
    due_by_ms = queue.due_by_ms(severity, created_at_ms=flag.created_at_ms, accuracies=worths)
    await flags.aggravate(
        db, flag_id, severity=severity, reports=flag.reports + more, due_by_ms=due_by_ms, now_ms=now_ms
    )


def _new(raised: Raised, flag_id: str, *, message_id: str | None, reports: int) -> NewFlag:
    return NewFlag(
        id=flag_id,
        session_id=SessionId(raised.session_id),
        message_id=message_id,
        seq=raised.seq if message_id is not None else None,
        user_id=UserId(raised.user_id),
        category=str(raised.category),
        severity=raised.severity,
        rule=raised.rule,
        rule_version=raised.rule_version,
        verdict=raised.action,
        source=raised.source,
        span_start=raised.start,
        span_end=max(raised.start, raised.end),
        reports=reports,
        due_by_ms=queue.due_by_ms(raised.severity, created_at_ms=raised.at_ms),
        created_at_ms=raised.at_ms,
        review_id=raised.review_id,
    )


async def _opened(keyring: Keyring, raised: Raised) -> bytes | None:
    """What was written; None when its writer was erased meanwhile."""
    try:
        key = await keyring.load(raised.user_id)
        return keyring.open(key, message_aad(raised.message_id), raised.sealed)
    except (ShreddedError, SealBrokenError) as error:
        log.warning("flag.unreadable", flag=raised.flag_id, error=type(error).__name__)
        return None


# Telling.


async def tell_changed(parts: Parts, flag_id: str) -> None:
    """Tell every hub how a case stands. Whoever misses it reads it from the record a moment later."""
    flag = await flags.flag(parts.pool, flag_id)
    if flag is None:
        return
    try:
        await parts.moderation.tell(await told(parts, flag))
    except (RedisError, OSError) as error:
        log.warning("flag.untold", flag=flag_id, error=type(error).__name__)


async def told(parts: Parts, flag: Flag) -> Told:
    """A case as hubs tell each other of it."""
    view = await flag_view(parts, flag)
    return Told(flag.id, flag.version, flag.concerned, msgspec.json.encode(wire_moderation.FlagTold(view)))


async def flag_view(parts: Parts, flag: Flag) -> wire_moderation.Flag:
    """A case in the words of the contract, with what counts against the person by now."""
    return view_of(flag, weight=await weight(parts, flag.user_id), suggest_at=parts.standards.suggest_at)


async def flag_views(parts: Parts, found: list[Flag]) -> list[wire_moderation.Flag]:
    """The same for many."""
    weights = await _weights(parts, {flag.user_id for flag in found})
    suggest_at = parts.standards.suggest_at
    return [view_of(flag, weight=weights[flag.user_id], suggest_at=suggest_at) for flag in found]


async def weight(parts: Parts, user_id: UserId) -> float:
    """What counts against a person by now."""
    return (await _weights(parts, [user_id]))[user_id]


async def _weights(parts: Parts, people: Collection[UserId]) -> dict[UserId, float]:
    now_ms, half_life_days = parts.now_ms(), parts.standards.half_life_days
    return {
        user_id: round(strikes.weight(counted, half_life_days=half_life_days, now_ms=now_ms), 2)
        for user_id, counted in (await acts.strikes(parts.pool, people)).items()
    }


def view_of(flag: Flag, *, weight: float, suggest_at: int) -> wire_moderation.Flag:
    """A case in the words of the contract."""
    distress = flag.category == queue.DISTRESS
    span = (
        UNSET
        if flag.span_start is None or flag.span_end is None
        else wire_moderation.Span(flag.span_start, flag.span_end)
    )
    return wire_moderation.Flag(
        id=flag.id,
        version=flag.version,
        session_id=flag.session_id,
        message_id=flag.message_id,
        user_id=flag.user_id,
        category=flag.category,
        severity=flag.severity,
        rule=flag.rule,
        rule_version=flag.rule_version,
        status=flag.status,
        created_at_ms=flag.created_at_ms,
        due_by_ms=flag.due_by_ms,
        verdict=flag.verdict,
        source=flag.source,
        reports=flag.reports,
        distress=distress,
        strikes=weight,
        updated_at_ms=flag.updated_at_ms,
        seq=flag.seq if flag.seq is not None else UNSET,
        review_id=flag.review_id or UNSET,
        span=span,
        # Nobody in distress is punished, so nothing of that kind is suggested.
        suggests="suspend" if weight >= suggest_at and not distress else UNSET,
        claimed_by=flag.claimed_by or UNSET,
        claimed_until_ms=flag.claimed_until_ms or UNSET,
        resolution=flag.resolution or UNSET,
        resolved_at_ms=flag.resolved_at_ms or UNSET,
    )


class Flagging(msgspec.Struct, frozen=True):
    """The parts in a process without people's sockets."""

    pool: asyncpg.Pool
    keyring: Keyring
    moderation: Moderation
    standards: Standards
    now_ms: Callable[[], int]
