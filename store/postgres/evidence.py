"""Evidence as rows; `hub/safety/evidence.py` seals and opens it."""

from rooms.ids import SessionId, UserId
from store.evidence_records import EvidenceKind, EvidenceRecord, WithheldRecord
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("evidence")


async def insert_evidence(
    db: Db,
    evidence_id: str,
    *,
    flag_id: str,
    session_id: SessionId | None,
    subject_id: UserId | None,
    kind: EvidenceKind,
    sealed: bytes,
    now_ms: int,
    keep_until_ms: int,
) -> bool:
    """Keep it. False when the flagged message is kept already."""
    made = await db.fetchval(
        SQL["insert_evidence"],
        evidence_id,
        flag_id,
        session_id,
        subject_id,
        kind,
        sealed,
        now_ms,
        keep_until_ms,
    )
    return made is not None


async def of_message(db: Db, flag_id: str) -> str | None:
    """The id of the evidence of a flagged message."""
    found: str | None = await db.fetchval(SQL["of_message"], flag_id)
    return found


async def one_evidence(db: Db, evidence_id: str) -> EvidenceRecord | None:
    """One piece, sealed."""
    return one(await db.fetchrow(SQL["one_evidence"], evidence_id), EvidenceRecord)


async def of_flag(db: Db, flag_id: str, *, limit: int) -> list[EvidenceRecord]:
    """What is kept for a flag, the newest first."""
    return many(await db.fetch(SQL["of_flag"], flag_id, limit), EvidenceRecord)


async def withheld(db: Db, session_id: SessionId, *, limit: int) -> list[WithheldRecord]:
    """The latest messages of a session that were held or blocked, in order."""
    return many(await db.fetch(SQL["withheld"], session_id, limit), WithheldRecord)[::-1]


async def move_to_flag(db: Db, evidence_id: str, flag_id: str) -> None:
    """The report it belongs to became part of an older flag."""
    await db.execute(SQL["move_to_flag"], evidence_id, flag_id)


async def hold(db: Db, evidence_id: str, *, reason: bytes | None, held_by: UserId, now_ms: int) -> bool:
    """Keep it whatever its time, for a reason under its own key. False when it is on hold, or not there."""
    return await db.fetchval(SQL["hold"], evidence_id, reason, held_by, now_ms) is not None


async def lift_hold(db: Db, evidence_id: str) -> bool:
    """Its own time counts again. False when it is not on hold."""
    return await db.fetchval(SQL["lift_hold"], evidence_id) is not None


async def is_involved(db: Db, session_id: SessionId | None, user_id: UserId) -> bool:
    """Whether a session is this person's own affair: they took part, reported, or were reported."""
    return bool(await db.fetchval(SQL["is_involved"], session_id, user_id))


async def due(db: Db, *, now_ms: int, acted_since_ms: int, limit: int) -> list[str]:
    """What is past its time and needed by nobody. What was done after `acted_since_ms` may be appealed."""
    return [str(row["id"]) for row in await db.fetch(SQL["due"], now_ms, acted_since_ms, limit)]


async def delete_evidence(db: Db, evidence_id: str, *, now_ms: int, acted_since_ms: int) -> bool:
    """Remove what is due. False when it may not go, or is gone."""
    gone = await db.fetchval(SQL["delete_evidence"], evidence_id, now_ms, acted_since_ms)
    return gone is not None
