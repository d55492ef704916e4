"""The moderators' cases as rows."""

from rooms.ids import SessionId, UserId
from rooms.queue import Claim, FlagStatus, Severity
from store.moderation_records import Flag, NewFlag, QueueFigures, Word
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("flags")


async def insert_flag(db: Db, flag: NewFlag, *, now_ms: int) -> bool:
    """Raise a case; False when the message has one already."""
    made = await db.fetchval(
        SQL["insert_flag"],
        flag.id,
        flag.session_id,
        flag.message_id,
        flag.seq,
        flag.user_id,
        flag.category,
        flag.severity,
        flag.rule,
        flag.rule_version,
        flag.verdict,
        flag.source,
        flag.span_start,
        flag.span_end,
        flag.reports,
        flag.due_by_ms,
        flag.created_at_ms,
        now_ms,
        flag.review_id,
    )
    return made is not None


async def lock_flag(db: Db, flag_id: str) -> Flag | None:
    """A case, for whoever decides about it in this transaction. None when there is none."""
    locked = await db.fetchval(SQL["lock_flag"], flag_id)
    return None if locked is None else await flag(db, flag_id)


async def lock_subject(db: Db, session_id: SessionId, user_id: UserId) -> None:
    """Until the transaction ends, nobody else raises or aggravates a case of this person and session."""
    await db.execute(SQL["lock_subject"], session_id, user_id)


async def flag(db: Db, flag_id: str) -> Flag | None:
    """One case."""
    return one(await db.fetchrow(SQL["flag"], flag_id), Flag)


async def flag_of_message(db: Db, message_id: str) -> str | None:
    """The id of a message's case."""
    found: str | None = await db.fetchval(SQL["flag_of_message"], message_id)
    return found


async def reported_flag(db: Db, session_id: SessionId, user_id: UserId) -> str | None:
    """The id of the open case that reports of this person in this session belong to."""
    found: str | None = await db.fetchval(SQL["reported_flag"], session_id, user_id)
    return found


async def flag_of_review(db: Db, review_id: str, user_id: UserId) -> str | None:
    """The id of the open case about somebody's words in a review."""
    found: str | None = await db.fetchval(SQL["flag_of_review"], review_id, user_id)
    return found


async def in_distress(db: Db, session_id: SessionId, user_id: UserId) -> bool:
    """Whether a case of this person's distress in this session is open."""
    return bool(await db.fetchval(SQL["in_distress"], session_id, user_id))


async def add_reporter(db: Db, flag_id: str, reporter_id: UserId, *, now_ms: int) -> bool:
    """Note who reported it; False when that is known."""
    return await db.fetchval(SQL["add_reporter"], flag_id, reporter_id, now_ms) is not None


async def words(db: Db, flag_id: str) -> list[Word]:
    """What became of the other reports of those who reported this."""
    return many(await db.fetch(SQL["words"], flag_id), Word)


async def aggravate(
    db: Db, flag_id: str, *, severity: Severity, reports: int, due_by_ms: int, now_ms: int
) -> None:
    """More is known against the same person: the case is graver, or presses more."""
    await db.execute(SQL["aggravate"], flag_id, severity, reports, due_by_ms, now_ms)


async def take_over(db: Db, flag: NewFlag, *, now_ms: int) -> None:
    """What was only reported is now about what a rule found; who reported it stays known."""
    await db.execute(
        SQL["take_over"],
        flag.id,
        flag.seq,
        flag.category,
        flag.severity,
        flag.rule,
        flag.rule_version,
        flag.verdict,
        flag.span_start,
        flag.span_end,
        flag.due_by_ms,
        now_ms,
    )


async def save_claim(db: Db, flag_id: str, claim: Claim, *, now_ms: int) -> None:
    """Somebody has it."""
    await db.execute(SQL["save_claim"], flag_id, claim.version, claim.by, claim.until_ms, now_ms)


async def resolve(
    db: Db, flag_id: str, *, status: FlagStatus, resolution: str, resolved_by: UserId, now_ms: int
) -> None:
    """It is decided."""
    await db.execute(SQL["resolve"], flag_id, status, resolution, resolved_by, now_ms)


async def reopen_lapsed(db: Db, *, now_ms: int, limit: int) -> list[str]:
    """Give back to the queue what was claimed and then left alone; their ids."""
    return [row["id"] for row in await db.fetch(SQL["reopen_lapsed"], now_ms, limit)]


async def queue(db: Db, who: UserId, *, after: str | None, limit: int) -> list[Flag]:
    """What waits for a decision, most pressing first, as this moderator may see it."""
    return many(await db.fetch(SQL["queue"], who, after, limit), Flag)


async def flag_history(
    db: Db, who: UserId, *, status: str | None, category: str | None, before: str | None, limit: int
) -> list[Flag]:
    """All cases, the newest first, as this moderator may see them."""
    return many(await db.fetch(SQL["flag_history"], who, status, category, before, limit), Flag)


async def changed_since(db: Db, since_ms: int, *, limit: int) -> list[Flag]:
    """Cases that were raised or changed since then, in that order."""
    return many(await db.fetch(SQL["changed_since"], since_ms, limit), Flag)


async def figures(db: Db) -> QueueFigures:
    """How many cases wait, and since when."""
    found = one(await db.fetchrow(SQL["figures"]), QueueFigures)
    return found or QueueFigures(0, None)


async def concerned(db: Db, session_id: SessionId) -> list[UserId]:
    """Who takes part in a session on record."""
    return [UserId(row["user_id"]) for row in await db.fetch(SQL["concerned"], session_id)]
