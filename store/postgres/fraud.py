"""Findings about fraud, and what people decide about them."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from billing.fraud import Finding, Mark, SubjectKind
from rooms.ids import UserId
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("fraud")

DAY_MS = 86_400_000

ReviewState = Literal["open", "cleared", "held", "released"]


class Review(Struct, frozen=True):
    """What an admin looks at: a subject for which live rules fired. Held: its transfers wait.

    `reason` is sealed under the key of `reason_of`.
    """

    id: str
    subject_kind: SubjectKind
    subject: str
    state: ReviewState
    opened_at_ms: int
    decided_by: UserId | None
    decided_at_ms: int | None
    reason: bytes | None

    @property
    def reason_of(self) -> str | None:
        """Under whose key it is: the person's, or where it is about a card or a network, who decided."""
        return self.subject if self.subject_kind in ("person", "practitioner") else self.decided_by


class ReviewedFinding(Finding, frozen=True, kw_only=True):
    """A finding with the review that it belongs to."""

    review_id: str


class Seen(Struct, frozen=True):
    """A person came with something, marked under this month's key and under last month's."""

    person_id: UserId
    kind: Mark
    mark: str
    before: str
    at_ms: int

    @property
    def day(self) -> int:
        """Days since 1970 (UTC)."""
        return self.at_ms // DAY_MS


async def insert_sightings(db: Db, seen: Sequence[Seen]) -> None:
    """Note what people came with, once a day."""
    if not seen:
        return
    await db.execute(
        SQL["insert_sightings"],
        [one.person_id for one in seen],
        [one.kind for one in seen],
        [one.mark for one in seen],
        [one.before for one in seen],
        [one.day for one in seen],
        [one.at_ms for one in seen],
    )


async def take_progress(db: Db, *, now_ms: int, lease_ms: int) -> int | None:
    """Up to when news were looked at, with a lease until `now_ms + lease_ms`; None while another looks."""
    found: int | None = await db.fetchval(SQL["take_progress"], now_ms, lease_ms)
    return found


async def keep_progress(db: Db, until_ms: int, *, lease_until_ms: int) -> None:
    """All news up to this time were looked at."""
    await db.execute(SQL["keep_progress"], until_ms, lease_until_ms)


async def insert_findings(db: Db, found: Sequence[Finding], *, now_ms: int) -> list[tuple[SubjectKind, str]]:
    """Write findings down, each once; the subjects of live ones that are new."""
    if not found:
        return []
    rows = await db.fetch(
        SQL["insert_findings"],
        now_ms,
        [one.rule for one in found],
        [one.version for one in found],
        [one.mode for one in found],
        [one.weight for one in found],
        [one.subject_kind for one in found],
        [one.subject for one in found],
        [one.window_no for one in found],
        [one.at_ms for one in found],
        [one.reason for one in found],
        [one.facts for one in found],
    )
    live = [(row["subject_kind"], row["subject"]) for row in rows if row["mode"] == "live"]
    return list(dict.fromkeys(live))


async def open_review(
    db: Db, kind: SubjectKind, subject: str, *, review_id: str, after_ms: int, review_at: int, now_ms: int
) -> bool:
    """Open a review if the live findings since then weigh enough; whether this call did."""
    opened = await db.fetchval(SQL["open_review"], review_id, kind, subject, after_ms, review_at, now_ms)
    return opened is not None


async def attach_findings(db: Db, kind: SubjectKind, subject: str, *, after_ms: int) -> None:
    """Give a subject's live findings to its review that is under way, if there is one."""
    await db.execute(SQL["attach_findings"], kind, subject, after_ms)


async def reviews(db: Db, *, state: ReviewState | None, before: str | None, limit: int) -> list[Review]:
    """Reviews, the newest first."""
    return many(await db.fetch(SQL["reviews"], state, before, limit), Review)


async def lock_review(db: Db, review_id: str) -> Review | None:
    """One review, to decide about it alone until the transaction ends."""
    return one(await db.fetchrow(SQL["lock_review"], review_id), Review)


async def findings(db: Db, review_ids: Sequence[str], *, each: int) -> list[ReviewedFinding]:
    """What fired for these reviews, in order of time, at most so many of each."""
    return many(await db.fetch(SQL["findings"], list(review_ids), each), ReviewedFinding)


async def decide_review(
    db: Db, review_id: str, state: ReviewState, *, admin_id: UserId, reason: bytes | None, now_ms: int
) -> Review | None:
    """Decide, with a sealed reason; None where no live rule stands behind it, or where it is too late."""
    row = await db.fetchrow(SQL["decide_review"], review_id, state, admin_id, reason, now_ms)
    return one(row, Review)


async def payouts_held(db: Db, practitioner_id: UserId) -> bool:
    """Whether a person holds this practitioner's transfers, because a rule fired."""
    return bool(await db.fetchval(SQL["payouts_held"], practitioner_id))
