"""Corrections of a profile, and how they reach those who have it already."""

from datetime import date
from typing import Literal

from msgspec import Struct

from rooms.ids import UserId
from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements

SQL = statements("profiles")


class Correction(Struct, frozen=True):
    """A correction on its way. `told`: those who are there have heard it, and only Stripe has not."""

    person_id: UserId
    version: int
    told: bool
    attempts: int


async def correct(
    db: Db,
    person_id: UserId,
    *,
    seen: int,
    name: str,
    country: str | None,
    phone: str | None,
    language: Literal["en", "fr"] | None,
    born_on: date | None,
    adult: bool,
) -> int | None:
    """Write the profile over the version that was seen. Gives the new version; None when it was stale."""
    version: int | None = await db.fetchval(
        SQL["correct"], person_id, seen, name, country, phone, language, born_on, adult
    )
    return version


async def correct_birth(db: Db, person_id: UserId, born_on: date | None) -> int | None:
    """Write another date of birth. Gives the new version; None when there is no such person."""
    version: int | None = await db.fetchval(SQL["correct_birth"], person_id, born_on)
    return version


async def want_telling(db: Db, person_id: UserId, version: int, *, now_ms: int, next_at_ms: int) -> None:
    """Put on record, in the transaction of the correction, that others have still to hear of it."""
    await db.execute(SQL["want_telling"], person_id, version, now_ms, next_at_ms)


async def note_told(db: Db, person_id: UserId, version: int) -> None:
    """The people who are there have heard this version."""
    await db.execute(SQL["note_told"], person_id, version)


async def due_corrections(db: Db, *, now_ms: int, lease_until_ms: int, limit: int) -> list[Correction]:
    """Take on what is due, until `lease_until_ms`."""
    return many(await db.fetch(SQL["due_corrections"], now_ms, lease_until_ms, limit), Correction)


async def close_correction(db: Db, person_id: UserId, version: int) -> None:
    """Everybody has heard this version. A later one stays."""
    await db.execute(SQL["close_correction"], person_id, version)


async def put_off_correction(db: Db, person_id: UserId, version: int, *, next_at_ms: int) -> None:
    """Try this version again later."""
    await db.execute(SQL["put_off_correction"], person_id, version, next_at_ms)
