"""What is counted about the use of the hub."""

from typing import Any

from msgspec import Struct

from rooms.ids import UserId
from store.postgres.pool import Db, Transacting
from store.postgres.rows import many
from store.postgres.statements import statements

SQL = statements("analytics")


class Cell(Struct, frozen=True):
    """One event with one set of properties, in one week: how often, and by how many people."""

    week: int
    name: str
    props: dict[str, Any]
    events: int
    people: int


async def insert_event(
    db: Transacting, person_id: UserId, *, week: int, name: str, props: dict[str, Any], marked: bytes
) -> bool:
    """Count an event, if the person agrees. `marked` stands for them, within this week alone.

    Share the lock on their consents first, so that a no that was answered is never overtaken.
    """
    counted = await db.fetchval(SQL["insert_event"], week, name, props, marked, person_id)
    return counted is not None


async def counts(db: Db, *, first: int, last: int, least: int, limit: int) -> list[Cell]:
    """The cells of these weeks that at least `least` people are in."""
    return many(await db.fetch(SQL["counts"], first, last, least, limit), Cell)
