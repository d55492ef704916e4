"""What the database itself says about its tables."""

from msgspec import Struct

from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements

SQL = statements("columns")


class StoredColumn(Struct, frozen=True):
    """A column as the database has it. `key_place`: its place in the primary key, from 1.

    `readable`: whether the role of people's own reads may see it.
    """

    table: str
    column: str
    key_place: int | None
    readable: bool


async def columns(db: Db) -> list[StoredColumn]:
    """Every column of every table of the schema `public`, by table and in order."""
    return many(await db.fetch(SQL["columns"]), StoredColumn)
