"""Takes a person out of the record: statements made from the registry, run as the one role that may.

Of each table, rows that are theirs go, ids become the pseudonym, what says something of them is emptied.
Tables come in an order in which nothing refers to what is gone, and `people` itself is last. Each batch is
a transaction of its own, and the second time finds nothing to do.
"""

from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from typing import Final, NamedTuple

import asyncpg

from rooms.ids import UserId
from store.postgres import erasures
from store.postgres.pool import erasing
from store.privacy.registry import Registry, Table, Through, load

BATCH: Final = 500
PASSES_MAX: Final = 8
"""More than one, because a process that still had something of theirs in memory may have written it
meanwhile.
"""
BY_ITSELF: Final = frozenset({"subject_keys"})
"""The key is destroyed last, by a step of its own."""


class Statement(NamedTuple):
    """One batch of a table; $1 is the person, and $2, where it is `renaming`, the pseudonym."""

    table: str
    sql: str
    renaming: bool


class StillThere(Exception):
    """Somebody goes on writing about a person whom nobody can be any more."""


async def erase(pool: asyncpg.Pool, user_id: UserId, pseudonym: UserId) -> int:
    """Do to every table what the registry says becomes of it; how many rows were changed. Raises
    StillThere.
    """
    order = plan(load(), await erasures.foreign_keys(pool))
    total = 0
    for _ in range(PASSES_MAX):
        changed = sum([await _all(pool, statement, user_id, pseudonym) for statement in order])
        if changed == 0:
            return total
        total += changed
    raise StillThere("rows about a person who is erased keep appearing")


async def _all(pool: asyncpg.Pool, statement: Statement, user_id: UserId, pseudonym: UserId) -> int:
    """Batch after batch, until there is nothing left."""
    arguments = (user_id, pseudonym) if statement.renaming else (user_id,)
    total = 0
    while True:
        async with erasing(pool) as db:
            told = await db.execute(statement.sql, *arguments)
        changed = int(told.rpartition(" ")[2])
        total += changed
        if changed < BATCH:
            return total


def plan(registry: Registry, foreign_keys: Sequence[tuple[str, str]]) -> list[Statement]:
    """Every statement, in the order in which they are run."""
    made = {
        name: list(_of(registry, table)) for name, table in registry.tables.items() if name not in BY_ITSELF
    }
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(sorted(made), ()))
    for child, parent in foreign_keys:
        if _deletes(made.get(parent, [])) and child in made:
            sorter.add(parent, child)
    for name, statements in made.items():
        way = registry.tables[name].parent
        if way is not None and statements:
            # Whose these rows are is read there, so it is changed there later.
            sorter.add(way.parent, name)
    return [statement for name in sorter.static_order() for statement in made.get(name, ())]


def _deletes(statements: Sequence[Statement]) -> bool:
    return any(statement.sql.startswith("delete") for statement in statements)


def _of(registry: Registry, table: Table) -> Iterator[Statement]:
    """What happens to one table, for each column that says whom a row is about, and for those by their
    parent.
    """
    people = [name for name, column in table.columns.items() if column.person]
    # Rows that go by one column need not be renamed by another first, but may have to be by the rest.
    for name in sorted(people, key=lambda one: table.columns[one].erased == "row"):
        yield from _by_column(table, name)
    if table.parent is not None:
        yield from _by_parent(registry, table, table.parent)


def _by_column(table: Table, name: str) -> Iterator[Statement]:
    own = table.columns[name]
    whose = f'"{name}" = $1'
    if own.erased == "row":
        yield Statement(table.name, _delete(table, whose), renaming=False)
        return
    changes = _emptied(table, name)
    if own.erased == "pseudonym":
        yield Statement(table.name, _update(table, {name: "$2", **changes}, whose), renaming=True)
    elif own.erased == "empty":
        yield Statement(table.name, _update(table, changes, whose), renaming=False)
    elif changes:
        yield Statement(table.name, _changing(table, changes, whose), renaming=False)


def _by_parent(registry: Registry, table: Table, way: Through) -> Iterator[Statement]:
    whose = _through(registry, way)
    theirs = [
        name for name, column in table.columns.items() if not column.person and table.about(name) is None
    ]
    if any(table.columns[name].erased == "row" for name in theirs):
        yield Statement(table.name, _delete(table, whose), renaming=False)
        return
    changes = {name: value for name, value in _emptied(table, None).items() if name in theirs}
    if changes:
        yield Statement(table.name, _changing(table, changes, whose), renaming=False)


def _through(registry: Registry, way: Through) -> str:
    """That a row is the person's by its parent, or by the parent of that."""
    above = registry.tables[way.parent]
    further = above.parent
    owners = " or ".join(f'"{name}" = $1' for name in above.whose)
    return way.where(owners if further is None else _through(registry, further))


def _emptied(table: Table, about: str | None) -> dict[str, str]:
    return {
        name: column.becomes or "null"
        for name, column in table.columns.items()
        if column.erased == "empty" and table.about(name) == about
    }


def _changing(table: Table, changes: dict[str, str], whose: str) -> str:
    """An update of rows that stay recognisable as theirs: only those that would differ afterwards."""
    differ = " or ".join(f'"{name}" is distinct from ({value})' for name, value in changes.items())
    return _update(table, changes, f"{whose} and ({differ})")


def _delete(table: Table, whose: str) -> str:
    return f'delete from "{table.name}" where {_batch(table, whose)}'  # noqa: S608


def _update(table: Table, changes: dict[str, str], whose: str) -> str:
    sets = ", ".join(f'"{name}" = {value}' for name, value in changes.items())
    return f'update "{table.name}" set {sets} where {_batch(table, whose)}'  # noqa: S608


def _batch(table: Table, whose: str) -> str:
    key = _names(table.key)
    # Said twice: the key by which a table is read need not be that of one row.
    return f'{whose} and ({key}) in (select {key} from "{table.name}" where {whose} limit {BATCH})'  # noqa: S608


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in columns)
