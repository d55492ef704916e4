"""From rows to values: the one place where what the driver gives becomes what the project trusts."""

from collections.abc import Sequence
from typing import TypeVar

import asyncpg
import msgspec

T = TypeVar("T")


def one(row: asyncpg.Record | None, kind: type[T]) -> T | None:
    """The value of a row whose columns are named as the type's fields, or None for no row."""
    return None if row is None else msgspec.convert(dict(row.items()), kind)


def many(rows: Sequence[asyncpg.Record], kind: type[T]) -> list[T]:
    """The same for all rows."""
    return [msgspec.convert(dict(row.items()), kind) for row in rows]
