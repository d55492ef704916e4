"""A sealed text opens in its own row and column, and nowhere else: tried over all columns of the registry."""

import inspect

import pytest

from store.privacy import bindings
from store.privacy.keys import DataKey, SealBrokenError
from store.privacy.registry import load

SEALED = {
    f"{table.name}.{name}": (getattr(bindings, column.sealed), 1 if "id" in table.columns else len(table.key))
    for table in load().tables.values()
    for name, column in table.columns.items()
    if column.sealed is not None
}
"""Of each sealed column what it is bound by, and how many parts its rows are known by."""
KEY = DataKey("somebody", bytes(range(32)))


def bound(place: str, first: int) -> bytes:
    """What a row is bound to whose key has this number and those after it."""
    binding, parts = SEALED[place]
    made: bytes = binding(*(f"row{number}" for number in range(first, first + parts)))
    return made


@pytest.mark.parametrize("place", SEALED)
def test_moved_to_another_row_or_column_it_does_not_open(place: str) -> None:
    aad = bound(place, 1)
    sealed = KEY.seal(aad, b"words")
    assert KEY.open(aad, sealed) == b"words"
    # The same keys in every other column: where two rows bear the same id as well.
    others = [bound(place, 2), *(bound(other, 1) for other in SEALED if other != place)]
    for other in others:
        with pytest.raises(SealBrokenError):
            KEY.open(other, sealed)


def test_every_binding_is_of_a_column() -> None:
    made = {
        function
        for name, function in vars(bindings).items()
        if name.endswith("_aad") and name != "column_aad" and inspect.isfunction(function)
    }
    assert made == {binding for binding, _ in SEALED.values()}
