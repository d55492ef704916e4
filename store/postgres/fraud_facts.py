"""What rules about fraud see, read from the record: for everybody, or for some people."""

from collections.abc import Sequence

from billing.fraud import CROWD_MS, Asked, Billed, Decline, Disputed, Moved, Saved, Sighting
from rooms.ids import UserId
from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements

SQL = statements("fraud_facts")

DAY_MS = 86_400_000

People = Sequence[UserId] | None
"""Whom facts are asked of; None for everybody."""


async def declined(db: Db, after_ms: int, until_ms: int, people: People) -> list[Decline]:
    """Holds, charges and tips that banks declined."""
    return many(await db.fetch(SQL["declined"], after_ms, until_ms, people), Decline)


async def asked(db: Db, after_ms: int, until_ms: int, people: People) -> list[Asked]:
    """Sessions that these guests asked for."""
    return many(await db.fetch(SQL["asked"], after_ms, until_ms, people), Asked)


async def billed(db: Db, after_ms: int, until_ms: int, people: People) -> list[Billed]:
    """Settled sessions of these guests and practitioners."""
    return many(await db.fetch(SQL["billed"], after_ms, until_ms, people), Billed)


async def disputed(db: Db, after_ms: int, until_ms: int, people: People) -> list[Disputed]:
    """Disputes about sessions of these practitioners."""
    return many(await db.fetch(SQL["disputed"], after_ms, until_ms, people), Disputed)


async def sightings(db: Db, after_ms: int, until_ms: int, people: People) -> list[Sighting]:
    """What these people came with."""
    return many(await db.fetch(SQL["sightings"], after_ms, until_ms, people, CROWD_MS), Sighting)


async def saved(db: Db, after_ms: int, until_ms: int, people: People) -> list[Saved]:
    """Cards that these people saved."""
    return many(await db.fetch(SQL["saved"], after_ms, until_ms, people), Saved)


async def moved(db: Db, after_ms: int, until_ms: int, people: People) -> list[Moved]:
    """When these practitioners' earnings began to go elsewhere."""
    return many(await db.fetch(SQL["moved"], after_ms, until_ms, people), Moved)


async def news(db: Db, after_ms: int, until_ms: int, *, beyond: UserId | None, limit: int) -> list[UserId]:
    """Who has something new to look at, in the order of their ids, after the cursor `beyond`."""
    rows = await db.fetch(SQL["news"], after_ms, after_ms - DAY_MS, until_ms, beyond, limit)
    return [UserId(row["user_id"]) for row in rows]


async def neighbours(db: Db, people: Sequence[UserId], after_ms: int, *, limit: int) -> list[UserId]:
    """These people, and those without whom nothing can be said of them."""
    rows = await db.fetch(SQL["neighbours"], list(people), after_ms, limit)
    return [UserId(row["person_id"]) for row in rows]
