"""A person's own rows, of every table that shows them something: one statement, made from the registry.

Row-level security chooses once more, as the person: a mistake here shows nothing of others.
"""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from store.postgres.pool import Db
from store.privacy import bindings, retention
from store.privacy.keys import DataKey, SealBrokenError
from store.privacy.registry import Table, load

PAGE_MAX: Final = 10_000
ME: Final = "(select auth.uid())"
PARTS: Final = "participants"

After = tuple[Any, ...]
"""The key of the last row of a page: where the next one goes on."""


def tables() -> list[Table]:
    """The tables that show a person something of their own rows, by name."""
    return [table for _, table in sorted(load().tables.items()) if table.shown]


async def page(
    db: Db, table: Table, *, after: Sequence[Any] | None, limit: int, shown_after_ms: int = 0
) -> tuple[list[dict[str, Any]], After | None]:
    """Up to `limit` rows after that key, in the order of the table's, and where to go on; None at the end.

    `db` comes from `acting_as`. What is sealed comes as bytes; `readable` opens it. What is not younger than
    `shown_after_ms`, which `retention.Ages` gives, is expired and not among them. Raises ValueError for a
    table that shows nothing, or a limit beyond 1 to PAGE_MAX.
    """
    if not 1 <= limit <= PAGE_MAX:
        raise ValueError(f"a page has 1 to {PAGE_MAX} rows")
    query = statement(table.name, first=after is None)
    # One more than is given, so that the last page is known for the last.
    aged = [] if retention.shown(table, "mine", "") is None else [shown_after_ms]
    rows = [dict(row) for row in await db.fetch(query, limit + 1, *aged, *(after or ()))]
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], tuple(rows[limit - 1][name] for name in table.key)


@functools.cache
def statement(name: str, *, first: bool) -> str:
    """The statement of a page; $1 is the limit. Where rows expire, $2 is from when on they are shown; and
    unless it is the `first`, the key follows.

    Every name in it stands in the registry: none comes from outside.
    """
    table = load().tables[name]
    if not table.shown:
        raise ValueError(f"{name} shows a person nothing")
    rows = _quoted(name) if table.read_by is None else f"{_quoted(table.read_by)}()"
    key = ", ".join(f"mine.{_quoted(column)}" for column in table.key)
    young = retention.shown(table, "mine", "$2")
    begin = 2 if young is None else 3
    places = ", ".join(f"${number}" for number in range(begin, len(table.key) + begin))
    conditions = [_whose(table, "mine"), *([] if first else [f"({key}) > ({places})"])]
    conditions += [] if young is None else [young]
    shown = ", ".join(f"mine.{_quoted(column)}" for column in table.shown)
    mine = " and ".join(conditions)
    return f"select {shown} from {rows} mine where {mine} order by {key} limit $1"  # noqa: S608


def _whose(table: Table, alias: str) -> str:
    """That a row is the acting person's."""
    way = table.parent
    if way is None:
        return "(" + " or ".join(f"{alias}.{_quoted(name)} = {ME}" for name in table.whose) + ")"
    above = f"{alias}_{way.parent}"
    pairs = list(zip(way.columns, way.references, strict=True))
    same = [f"{above}.{_quoted(there)} = {alias}.{_quoted(here)}" for here, there in pairs]
    if table.both and way.parent == PARTS:
        same[1] = f"({same[1]} or {above}.no = 0)"
    conditions = [*same, _whose(load().tables[way.parent], above)]
    return f"exists (select from {_quoted(way.parent)} {above} where {' and '.join(conditions)})"


def _quoted(name: str) -> str:
    """An identifier of the registry, which has none with a quote."""
    return f'"{name}"'


def bound_to(table: Table, column: str, row: Mapping[str, Any]) -> bytes:
    """What a sealed value of this row is bound to, as `Column.sealed` says."""
    binding = getattr(bindings, str(table.columns[column].sealed))
    parts = [row["id"]] if "id" in table.columns else [row[name] for name in table.key]
    bound: bytes = binding(*parts)
    return bound


def readable(key: DataKey, table: Table, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON has it: what is sealed opened with the person's key, other bytes in hexadecimal digits.

    None stands for what cannot be opened any more.
    """
    return dict(_values(key, table, row))


def _values(key: DataKey, table: Table, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if not isinstance(value, bytes):
            yield name, msgspec.to_builtins(value)
        elif table.columns[name].sealed is None:
            yield name, value.hex()
        else:
            try:
                yield name, key.open(bound_to(table, name, row), value).decode("utf-8", "replace")
            except SealBrokenError:
                yield name, None
