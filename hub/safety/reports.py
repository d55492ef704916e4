"""Reports: a person points at a message or at somebody, once, and a moderator looks at it.

    who and where → known already? → allowance → report, evidence and audit in one transaction → flag

The flag comes last and is repeatable: a report without one gets it from a worker. Nobody who is reported is
ever told by whom.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

import msgspec
import uuid_utils
from msgspec.structs import replace

from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.moderation import flagging
from hub.moderation.flagging import Parts
from hub.safety import evidence, snapshots
from hub.safety.notices import Notice, Teller, tell
from hub.safety.snapshots import Party, Place, Snapshot
from hub.wire_evidence import Report
from rooms.errors import NotFound
from rooms.ids import SessionId, UserId
from rooms.safety.free_text import masked
from rooms.safety.raised import Raised
from rooms.safety.verdict import Category
from store.evidence_records import DecidedReport, Outcome, ReportRecord
from store.postgres import audit, flags, reviews
from store.postgres import evidence as evidence_rows
from store.postgres import reports as rows
from store.postgres.pool import Db
from store.records import StoredMessage

REPORTABLE_MS: Final = 30 * 86_400_000
"""So long after a session's end it can be reported: memories grow vague after about a month, and what follows
from a report may cost somebody their living."""
OUTCOMES: Final[Mapping[str, Outcome]] = {"resolved": "upheld", "dismissed": "dismissed"}
"""What comes of the reports of a case that is closed, by its status."""
RULE: Final = "report"
RULE_VERSION: Final = "1"


async def report(hub: Hub, who: Principal, body: Report) -> str:
    """File a report; its id. Of the same message or person again, the first one's, at no cost.

    Raises Refused or RoomError with `not_found`, `expired`, `bad_request`, `rate_limited`.
    """
    session_id = SessionId(body.session_id)
    where = await snapshots.place(hub, who.user_id, session_id)
    if where.ended_at_ms is not None and hub.now_ms() - where.ended_at_ms > REPORTABLE_MS:
        raise Refused(Code.EXPIRED, "A session can be reported for 30 days after its end.")
    said = await snapshots.around(hub, where, body.message_id)
    about = _subject(where, who.user_id, body, said)
    message = next((one for one in said if one.id == body.message_id), None)
    snapshot = Snapshot(
        session_id=session_id,
        reporter_id=who.user_id,
        user_id=about.user_id,
        message_id=body.message_id,
        reason=masked(body.reason),
        note=None if body.note is None else masked(body.note),
        reported_at_ms=hub.now_ms(),
        messages=[],
    )

    async def complete() -> Snapshot:
        return replace(snapshot, messages=await snapshots.opened(hub.keyring, where, said))

    return await file_once(hub, who, snapshot, complete, (about.no, None if message is None else message.seq))


async def file_once(
    hub: Hub,
    who: Principal,
    snapshot: Snapshot,
    complete: Callable[[], Awaitable[Snapshot]],
    place: tuple[int, int | None] = (0, None),
) -> str:
    """File a report and raise its flag, unless that was done; the report's id. `complete` gives the snapshot
    with what was said. Raises Refused(rate_limited).
    """
    known = await _known(hub, who.user_id, snapshot)
    if known is None:
        await _allow(hub, who.user_id)
        known = await _file(hub, who, await complete())
    if known.flag_id is None:
        await _tell_decided(hub, await raise_flag(hub, known, place))
    return known.id


async def _allow(hub: Hub, who: UserId) -> None:
    wait_ms = await hub.filing.allowances.take(who, "report", per_hour=hub.filing.per_hour)
    if wait_ms:
        raise Refused(Code.RATE_LIMITED, "You have filed many reports; wait a while.", retry_after_ms=wait_ms)


def _subject(where: Place, who: UserId, body: Report, said: list[StoredMessage]) -> Party:
    """Whom the report is about: the message's sender, the person named, or the only other one."""
    others = [party for party in where.people if party.user_id != who]
    if body.message_id is not None:
        message = next((one for one in said if one.id == body.message_id), None)
        sender = None if message is None else where.sender(message)
        if sender is None or body.user_id not in (None, sender.user_id):
            raise NotFound
        about: Party | None = sender
    elif body.user_id is not None:
        about = where.person(UserId(body.user_id))
    elif len(others) == 1:
        about = others[0]
    else:
        raise Refused(Code.BAD_REQUEST, "Say whom or what you report.", fields={"user_id": "required"})
    if about is None:
        raise NotFound
    if about.user_id == who:
        raise Refused(Code.BAD_REQUEST, "You can't report yourself.", fields={"user_id": "is your own"})
    return about


async def _file(hub: Hub, who: Principal, snapshot: Snapshot) -> ReportRecord:
    """The report, its evidence and the audit's entry: all of them or none."""
    try:
        async with hub.pool.acquire() as connection, connection.transaction():
            return await _write(hub, connection, who, snapshot)
    except _KnownError:
        # Filed in this very moment over another line: that one stands.
        known = await _known(hub, who.user_id, snapshot)
        if known is None:
            raise
        return known


async def _write(hub: Hub, db: Db, who: Principal, snapshot: Snapshot) -> ReportRecord:
    now_ms, report_id = snapshot.reported_at_ms, str(uuid_utils.uuid7())
    session_id, user_id = SessionId(snapshot.session_id), UserId(snapshot.user_id)
    evidence_id = await evidence.keep(
        db,
        hub.keyring,
        flag_id=report_id,
        session_id=session_id,
        subject_id=user_id,
        kind="snapshot",
        content=msgspec.json.encode(snapshot),
        now_ms=now_ms,
        keep_ms=hub.filing.keep_ms,
    )
    filed = ReportRecord(
        report_id, who.user_id, session_id, user_id, snapshot.message_id, evidence_id, None, now_ms
    )
    if not await rows.insert_report(db, filed):
        raise _KnownError
    await audit.append(
        db,
        actor_id=who.user_id,
        actor_role=who.role,
        action="report_filed",
        subject_id=user_id,
        session_id=session_id,
        detail={"report_id": report_id, "message_id": snapshot.message_id},
        now_ms=now_ms,
    )
    return filed


async def _known(hub: Hub, who: UserId, snapshot: Snapshot) -> ReportRecord | None:
    return await rows.known_report(
        hub.pool,
        reporter_id=who,
        session_id=SessionId(snapshot.session_id),
        user_id=UserId(snapshot.user_id),
        message_id=snapshot.message_id,
    )


class _KnownError(Exception):
    """It was reported before."""


async def raise_flag(
    parts: Parts, report: ReportRecord, place: tuple[int, int | None] = (0, None)
) -> list[DecidedReport]:
    """Put a report into the moderators' queue: a flag, or one more voice in an older one. Repeatable.

    `place` is the number of the person in the session, and the `seq` of the message. Gives the reports that
    this found decided: nobody has told who filed them.
    """
    words = None if report.message_id is None else await reviews.version_of_id(parts.pool, report.message_id)
    raised = _raised(report, *place, review_id=None if words is None else words.review_id)
    flag_id = await flagging.raise_flag(parts, raised, reporter_id=report.reporter_id)
    async with parts.pool.acquire() as connection, connection.transaction():
        if await rows.set_flag(connection, report.id, flag_id):
            await evidence_rows.move_to_flag(connection, report.evidence_id, flag_id)
        # Locked: whoever decides about it in this moment is either done, or will find the report.
        flag = await flags.lock_flag(connection, flag_id)
        outcome = None if flag is None else OUTCOMES.get(flag.status)
        if outcome is None:
            return []
        return await rows.decide(connection, flag_id, outcome=outcome, now_ms=parts.now_ms())


def _raised(report: ReportRecord, participant_no: int, seq: int | None, *, review_id: str | None) -> Raised:
    return Raised(
        flag_id=report.id,
        session_id=report.session_id,
        message_id=report.message_id or "",
        user_id=report.user_id,
        participant_no=participant_no,
        category=Category.REPORT,
        severity="medium",
        rule=RULE,
        rule_version=RULE_VERSION,
        action="flag",
        start=0,
        end=0,
        at_ms=report.created_at_ms,
        seq=seq,
        sealed=b"",
        source="report",
        review_id=review_id,
    )


async def decided(hub: Teller, *, flag_id: str, outcome: Outcome, now_ms: int) -> int:
    """A flag was resolved: note it in its reports and tell who reported, once. Gives how many were told.

    Called after the decision is committed. Who is not connected reads the outcome in their access report.
    """
    found = await rows.decide(hub.pool, flag_id, outcome=outcome, now_ms=now_ms)
    await _tell_decided(hub, found)
    return len(found)


async def _tell_decided(hub: Teller, found: Iterable[DecidedReport]) -> None:
    for report in found:
        await tell(hub, report.reporter_id, Notice("report_decided", session_id=report.session_id))
