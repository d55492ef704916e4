"""A sealed text opens in its own row and column, and nowhere else: tried over all columns of the registry."""

import inspect
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from store.privacy import bindings
from store.privacy.keys import DataKey, SealBrokenError
from store.privacy.registry import load

SEALED = {
    f"{table.name}.{name}": getattr(bindings, column.sealed)
    for table in load().tables.values()
    for name, column in table.columns.items()
    if column.sealed is not None
}
KEY = DataKey("somebody", bytes(range(32)))


def rows(binding: Callable[..., bytes], numbers: Iterator[int]) -> tuple[object, ...]:
    """A primary key of the shape that a binding takes."""
    kinds = inspect.signature(binding).parameters.values()
    return tuple(next(numbers) if one.annotation is int else f"row{next(numbers)}" for one in kinds)


@pytest.mark.parametrize("place", SEALED)
def test_moved_to_another_row_or_column_it_does_not_open(place: str) -> None:
    aad = SEALED[place](*rows(SEALED[place], count(1)))
    sealed = KEY.seal(aad, b"words")
    assert KEY.open(aad, sealed) == b"words"
    others = [SEALED[place](*rows(SEALED[place], count(2)))]
    # The same keys in every other column: where two rows bear the same id as well.
    others += [binding(*rows(binding, count(1))) for name, binding in SEALED.items() if name != place]
    for other in others:
        with pytest.raises(SealBrokenError):
            KEY.open(other, sealed)


def test_every_binding_is_of_a_column() -> None:
    made = {
        function
        for name, function in vars(bindings).items()
        if name.endswith("_aad") and name != "column_aad" and inspect.isfunction(function)
    }
    assert made == set(SEALED.values())
