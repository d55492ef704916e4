"""Reports as rows, and the transcript around what they are about."""

from msgspec import Struct

from rooms.ids import SessionId, UserId
from store.evidence_records import DecidedReport, Outcome, ReportRecord
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements
from store.records import StoredMessage

SQL = statements("reports")


class RecordedPart(Struct, frozen=True):
    """Someone who took part in a session on record, as who asks may see them."""

    no: int
    user_id: UserId
    role: str
    name: str
    ended_at_ms: int | None


async def known_report(
    db: Db, *, reporter_id: UserId, session_id: SessionId, user_id: UserId, message_id: str | None
) -> ReportRecord | None:
    """What this person reported before of just this."""
    row = await db.fetchrow(SQL["known_report"], reporter_id, session_id, user_id, message_id)
    return one(row, ReportRecord)


async def insert_report(db: Db, report: ReportRecord) -> bool:
    """File it. False when they reported the same before."""
    made = await db.fetchval(
        SQL["insert_report"],
        report.id,
        report.reporter_id,
        report.session_id,
        report.user_id,
        report.message_id,
        report.evidence_id,
        report.created_at_ms,
    )
    return made is not None


async def set_flag(db: Db, report_id: str, flag_id: str) -> bool:
    """The flag that it became, or became part of. False when that is known already."""
    return await db.fetchval(SQL["set_flag"], report_id, flag_id) is not None


async def unflagged(db: Db, *, before_ms: int, limit: int) -> list[ReportRecord]:
    """Reports whose flag was never raised."""
    return many(await db.fetch(SQL["unflagged"], before_ms, limit), ReportRecord)


async def decide(db: Db, flag_id: str, *, outcome: Outcome, now_ms: int) -> list[DecidedReport]:
    """Note what came of a flag's reports; those that were just decided."""
    return many(await db.fetch(SQL["decide"], flag_id, outcome, now_ms), DecidedReport)


async def recorded_part(db: Db, session_id: SessionId) -> list[RecordedPart]:
    """Everyone who took part, if whoever the connection acts as did too."""
    return many(await db.fetch(SQL["recorded_part"], session_id), RecordedPart)


async def around(
    db: Db, session_id: SessionId, message_id: str | None, *, before: int, after: int
) -> list[StoredMessage]:
    """The messages around one, or the last ones; nothing when that message is not on record."""
    return many(await db.fetch(SQL["around"], session_id, message_id, before, after), StoredMessage)
