"""Reviews as rows. The rating of a practice follows from them by itself, in the same transaction."""

from collections.abc import Collection

from msgspec import Struct

from rooms.ids import SessionId, UserId
from rooms.reviews import Attended, Part, State
from rooms.safety.verdict import OnTimeout
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("reviews")


class AttendedSession(Attended, frozen=True):
    """A guest's part, and whose session it was."""

    practitioner_id: UserId


class ReviewRecord(Struct, frozen=True):
    """A review without its words."""

    id: str
    session_id: SessionId
    author_id: UserId
    practitioner_id: UserId
    ended_at_ms: int
    created_at_ms: int


class Version(Struct, frozen=True):
    """One wording of a review or of its answer. `text` is sealed under its author's key.

    `because` is the category for which it waits or waited; `due_at_ms` is until when, and `on_timeout` what
    becomes of it then.
    """

    id: str
    review_id: str
    part: Part
    version: int
    author_id: UserId
    rating: int | None
    text: bytes
    state: State
    because: str | None
    on_timeout: OnTimeout
    due_at_ms: int | None
    created_at_ms: int
    decided_at_ms: int | None = None


class Shown(Struct, frozen=True):
    """A review as everybody may read it, with its answer; both sealed."""

    id: str
    author_id: UserId
    author_name: str
    rating: int
    text_id: str
    text: bytes
    version: int
    created_at_ms: int
    changed_at_ms: int
    answer_id: str | None
    answer_author_id: UserId | None
    answer_text: bytes | None
    answered_at_ms: int | None


async def attended(db: Db, session_id: SessionId, user_id: UserId) -> AttendedSession | None:
    """A guest's part of a session; None when they were no guest of it."""
    return one(await db.fetchrow(SQL["attended"], session_id, user_id), AttendedSession)


async def insert_review(db: Db, review: ReviewRecord) -> bool:
    """Begin a review; False when this guest has one of the session already."""
    made = await db.fetchval(
        SQL["insert_review"],
        review.id,
        review.session_id,
        review.author_id,
        review.practitioner_id,
        review.ended_at_ms,
        review.created_at_ms,
    )
    return made is not None


async def of_session(db: Db, session_id: SessionId, author_id: UserId) -> ReviewRecord | None:
    """A guest's review of a session."""
    return one(await db.fetchrow(SQL["of_session"], session_id, author_id), ReviewRecord)


async def review(db: Db, review_id: str) -> ReviewRecord | None:
    """One review."""
    return one(await db.fetchrow(SQL["review"], review_id), ReviewRecord)


async def lock_review(db: Db, review_id: str) -> ReviewRecord | None:
    """A review, for whoever changes its wordings in this transaction."""
    locked = await db.fetchval(SQL["lock_review"], review_id)
    return None if locked is None else await review(db, review_id)


async def versions(db: Db, review_id: str, part: Part | None = None) -> list[Version]:
    """Its wordings, the latest last; the review's before the answer's."""
    return many(await db.fetch(SQL["versions"], review_id, part), Version)


async def version_of_id(db: Db, version_id: str) -> Version | None:
    """One wording."""
    return one(await db.fetchrow(SQL["version_of_id"], version_id), Version)


async def supersede(db: Db, review_id: str, part: Part, by: State) -> None:
    """Make room for a later wording that is `by`."""
    await db.execute(SQL["supersede"], review_id, part, by)


async def insert_version(db: Db, version: Version) -> None:
    """Add a wording, with the review locked and room made for it."""
    await db.execute(
        SQL["insert_version"],
        version.id,
        version.review_id,
        version.part,
        version.version,
        version.author_id,
        version.rating,
        version.text,
        version.state,
        version.because,
        version.on_timeout,
        version.due_at_ms,
        version.created_at_ms,
    )


async def give_way(db: Db, version_id: str) -> None:
    """What is shown gives way to a wording that waits, which is about to be shown."""
    await db.execute(SQL["give_way"], version_id)


async def publish(db: Db, version_id: str, *, now_ms: int) -> bool:
    """Show a wording that waits, after `give_way` and with the review locked; False when it was decided."""
    return await db.fetchval(SQL["publish"], version_id, now_ms) is not None


async def refuse_waiting(db: Db, version_id: str, *, now_ms: int) -> bool:
    """Never show a wording that waits; False when it was decided already."""
    return await db.fetchval(SQL["refuse_waiting"], version_id, now_ms) is not None


async def refuse_all(db: Db, review_id: str, author_id: UserId, *, until_ms: int, now_ms: int) -> int:
    """Take out all that stands of somebody's words in a review, written until then; how many wordings."""
    return len(await db.fetch(SQL["refuse_all"], review_id, author_id, until_ms, now_ms))


async def due(db: Db, *, now_ms: int, limit: int) -> list[Version]:
    """Wordings that nobody has looked at in time."""
    return many(await db.fetch(SQL["due"], now_ms, limit), Version)


async def shown(
    db: Db, practitioner_id: UserId, *, before: str | None, limit: int, hidden: Collection[UserId]
) -> list[Shown]:
    """What everybody may read of a practitioner, the newest first, without the authors in `hidden`."""
    return many(await db.fetch(SQL["shown"], practitioner_id, before, limit, list(hidden)), Shown)


async def own_reviews(db: Db, *, before: str | None, limit: int) -> list[ReviewRecord]:
    """What whoever the connection acts as wrote, the newest first."""
    return many(await db.fetch(SQL["own_reviews"], before, limit), ReviewRecord)


async def has_practice(db: Db, practitioner_id: UserId) -> bool:
    """Whether this is a listed practitioner."""
    return bool(await db.fetchval(SQL["has_practice"], practitioner_id))


async def rated_by(db: Db, author_id: UserId) -> list[UserId]:
    """Practitioners of whom somebody wrote something."""
    return [UserId(row["practitioner_id"]) for row in await db.fetch(SQL["rated_by"], author_id)]
