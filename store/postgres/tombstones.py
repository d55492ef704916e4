"""Tombstones on record: a keyed mark for each person who was erased, and nothing else of them."""

from collections.abc import Sequence

from msgspec import Struct

from rooms.ids import UserId
from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements

SQL = statements("tombstones")


class Tombstone(Struct, frozen=True):
    """One of them. `mark` are 32 bytes, `n` the order in which they were put here."""

    n: int
    mark: bytes
    reason: str
    erased_at_ms: int


async def bury(db: Db, stones: Sequence[tuple[bytes, str, int]]) -> int:
    """Keep marks, each with why and when; how many of them were not known."""
    marks, reasons, times = ([stone[at] for stone in stones] for at in range(3))
    return int(await db.fetchval(SQL["bury"], marks, reasons, times))


async def known(db: Db, marks: Sequence[bytes]) -> set[bytes]:
    """Which of these marks are somebody's who was erased."""
    return {row["mark"] for row in await db.fetch(SQL["known"], list(marks))}


async def page(db: Db, *, after: int, limit: int) -> list[Tombstone]:
    """The next ones, in order."""
    return many(await db.fetch(SQL["page"], after, limit), Tombstone)


async def unmarked(db: Db, *, limit: int) -> list[UserId]:
    """Ids that lie there from before there were marks."""
    return [UserId(row["user_id"]) for row in await db.fetch(SQL["unmarked"], limit)]


async def mark(db: Db, user_id: UserId, made: bytes) -> None:
    """Put the mark in the place of the id."""
    await db.execute(SQL["mark"], user_id, made)


async def people_after(db: Db, *, after: UserId | None, limit: int) -> list[UserId]:
    """People with a profile, in the order of their ids."""
    return [UserId(row["id"]) for row in await db.fetch(SQL["people_after"], after, limit)]
