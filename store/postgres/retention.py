"""What is removed because of its age, batch by batch, and how much that was."""

from typing import NamedTuple

from store.postgres.pool import Db
from store.postgres.statements import statements

SQL = statements("retention")


class Counted(NamedTuple):
    """So many rows of a kind; the kinds are those of `config/retention.toml`."""

    kind: str
    rows: int


async def take_turn(db: Db) -> bool:
    """Whether nobody else removes anything, until the transaction is over."""
    return bool(await db.fetchval(SQL["take_turn"]))


async def references(db: Db) -> list[tuple[str, str, str, str]]:
    """(child, its column, parent, its column) of foreign keys that keep a parent from being removed."""
    return [tuple(row) for row in await db.fetch(SQL["references"])]


async def counted(db: Db, kind: str, rows: int, *, now_ms: int) -> None:
    """Count what was removed, in the transaction that does, as the role that may."""
    await db.execute(SQL["counted"], kind, rows, now_ms)


async def take_pending(db: Db) -> list[Counted]:
    """What the audit was not told of yet, inside the transaction that tells it."""
    return [Counted(row["kind"], row["pending"]) for row in await db.fetch(SQL["take_pending"])]


async def totals(db: Db) -> list[Counted]:
    """How much was ever removed, by kind."""
    return [Counted(row["kind"], row["total"]) for row in await db.fetch(SQL["totals"])]
