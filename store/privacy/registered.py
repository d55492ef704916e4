"""Whether the registry speaks of everything that is stored, and of nothing else.

`python -m hub check` asks this of the installation's own database, the test suite of a fresh one.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Final
from uuid import UUID

from rooms.ids import HubId, SessionId, UserId
from store.postgres import columns
from store.postgres.columns import StoredColumn
from store.postgres.pool import Db
from store.privacy.registry import Family, Registry, Table, load
from store.redis import keys

_SAMPLE: Final = str(UUID(int=1))
_NO_KEYS: Final = frozenset({"BUCKETS", "bucket"})
"""What `store/redis/keys.py` has that is no key."""


async def problems(db: Db, registry: Registry | None = None) -> list[str]:
    """A line for each column or key that is not registered, not there, or not as it is registered.

    Empty when all is well. Any role may ask.
    """
    registry = registry or load()
    stored: dict[str, list[StoredColumn]] = {}
    for column in await columns.columns(db):
        stored.setdefault(column.table, []).append(column)
    return [*_of_tables(stored, registry), *of_families(registry.families)]


def _of_tables(stored: Mapping[str, Sequence[StoredColumn]], registry: Registry) -> Iterator[str]:
    for name in sorted(stored.keys() | registry.tables.keys()):
        if name not in registry.tables:
            yield f"{name}: the table is not in the registry"
        elif name not in stored:
            yield f"{name}: registered, and there is no such table"
        else:
            yield from (f"{name}{problem}" for problem in _of_table(stored[name], registry.tables[name]))


def _of_table(stored: Sequence[StoredColumn], table: Table) -> Iterator[str]:
    there = {one.column: one for one in stored}
    for name in sorted(there.keys() - table.columns.keys()):
        yield f".{name}: the column is not in the registry"
    for name in sorted(table.columns.keys() - there.keys()):
        yield f".{name}: registered, and there is no such column"
    if table.read_by is not None:
        # A function gives people their own rows; what the table grants is for seeing others.
        return
    places = {one.column: one.key_place for one in stored if one.key_place is not None}
    if tuple(sorted(places, key=lambda name: places[name])) != table.key:
        yield f": its primary key is another than {', '.join(table.key)}"
    for name, one in there.items():
        shown = name in table.shown
        if one.readable and not shown and name in table.columns:
            yield f".{name}: people may read it, and the registry does not show it"
        if shown and not one.readable:
            yield f".{name}: the registry shows it, and people may not read it"


def of_families(families: Mapping[str, Family]) -> Iterator[str]:
    """The same of the keys of the live store: each is spelled in `store/redis/keys.py`."""
    spelled = dict(_spelled())
    for name in sorted(spelled.keys() | families.keys()):
        if name not in families:
            yield f"{name}: the key is not in the registry"
        elif name not in spelled:
            yield f"{name}: registered, and there is no such key"
        else:
            key = spelled[name]
            fits = [other for other, one in families.items() if fnmatchcase(key, _escaped(one.pattern))]
            if fits != [name]:
                yield f"{name}: {key} fits the patterns of {', '.join(fits) or 'none'}"


def _spelled() -> Iterator[tuple[str, str]]:
    """Each family's name, and a key of it."""
    for name, value in vars(keys).items():
        if name.startswith("_") or name in _NO_KEYS:
            continue
        # A constant with a star is a pattern over keys, and no key.
        if name.isupper() and isinstance(value, str) and "*" not in value:
            yield name.lower(), value
        elif inspect.isfunction(value) and value.__module__ == keys.__name__:
            yield name, str(value(*(_sample(one) for one in inspect.signature(value).parameters.values())))


def _sample(parameter: inspect.Parameter) -> str:
    if parameter.annotation in (SessionId, UserId, HubId):
        return _SAMPLE
    return keys.BUCKETS[0] if parameter.name == "bucket" else "something"


def _escaped(pattern: str) -> str:
    """Redis and Python read these patterns alike, as long as no pattern has a set of characters."""
    if "[" in pattern:
        raise ValueError("A pattern has no sets of characters.")
    return pattern
