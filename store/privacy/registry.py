"""What each stored column and key holds, whose it is, and what becomes of it: read from `registry/*.toml`.

Everything about a person's rights is derived from here: the access report and the export show what is
`shown`, an erasure does to each column what its `erased` says, retention goes by `ages_by` and `expires`.

    registry/<topic>.toml      tables by name
    registry/live_store.toml   families of keys of the live store
    registry/purposes.toml     why it is kept, and what allows that

`registry_types.py` says what the words mean, `registry_rules.py` what must hold between them.
"""

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from store.privacy.registry_rules import problems as problems_of
from store.privacy.registry_types import Column, Family, Purpose, Registry, Table, Through, Words

__all__ = [
    "Column",
    "Family",
    "Purpose",
    "Registry",
    "RegistryError",
    "Table",
    "Through",
    "Words",
    "load",
    "read",
]

FOLDER: Final = Path(__file__).with_name("registry")
PURPOSES: Final = "purposes.toml"
LIVE_STORE: Final = "live_store.toml"


class RegistryError(Exception):
    """The registry is not whole. `problems` name file, table and column, a line each."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(["bad registry:", *(f"  {problem}" for problem in problems)]))


@functools.cache
def load() -> Registry:
    """The registry of this release. Raises RegistryError."""
    return read(FOLDER)


def read(folder: Path) -> Registry:
    """The registry in a folder. Raises RegistryError."""
    problems: list[str] = []
    tables: dict[str, Table] = {}
    families: dict[str, Family] = {}
    purposes: dict[str, Purpose] = {}
    for path in sorted(folder.glob("*.toml")):
        for name, written in _parsed(path, problems).items():
            if path.name == PURPOSES:
                _keep(purposes, written, Purpose, path, name, problems)
            elif path.name == LIVE_STORE:
                _keep(families, {**written, "name": name}, Family, path, name, problems)
            else:
                _keep(tables, {**written, "name": name}, Table, path, name, problems)
    found = Registry({name: _worded(table) for name, table in tables.items()}, families, purposes)
    problems += problems_of(found)
    if problems:
        raise RegistryError(problems)
    return found


def _parsed(path: Path, problems: list[str]) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path.name}: {error}")
        return {}


def _keep(
    kept: dict[str, Any], written: object, kind: type[Struct], path: Path, name: str, problems: list[str]
) -> None:
    if name in kept:
        problems.append(f"{path.name}: {name} stands in two files")
        return
    try:
        kept[name] = msgspec.convert(written, kind)
    except msgspec.ValidationError as error:
        problems.append(f"{path.name}: {name}: {error}")


def _worded(table: Table) -> Table:
    """Give each column that stays or is not shown the table's words for it."""
    columns = {}
    for name, column in table.columns.items():
        words = table.keeps if column.erased == "keep" else None if column.shown else table.hides
        why = column.why or (words.en if words is not None else None)
        columns[name] = replace(column, why=why)
    return replace(table, columns=columns)
