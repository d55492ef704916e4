"""The data map: what is kept about people, why, how long, who else gets it, and what becomes of it. In words.

Made from the registry, the periods and the table of vendors, so that it says what the hub does and cannot say
anything else.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final, get_args

import msgspec
from msgspec import Struct

from config.retention import Period
from hub.words import Language
from store.privacy.registry import Family, Registry, Table
from store.privacy.registry_types import Category, Erased
from store.privacy.vendors import vendors

CATEGORIES: Final[tuple[Category, ...]] = get_args(Category)
KINDS: Final[tuple[Erased, ...]] = get_args(Erased)


class MapWords(Struct, frozen=True, forbid_unknown_fields=True):
    """What the map says in one language beside the registry's own sentences."""

    categories: dict[str, str]
    bases: dict[str, str]
    erased: dict[str, str]
    live_erased: dict[str, str]
    hosted: str
    no_end: str


class Shared(Struct, frozen=True):
    """A vendor that gets something of it, and what for."""

    vendor: str
    why: str


class Kept(Struct, frozen=True):
    """One kind of thing that is kept.

    `yours`: it is about people, so `shown` and `hidden` are the columns that your access report and export
    show and leave out, and `not_shown` says why. `days`: how long, if it is a number of days. `erased`: what
    becomes of it when your account is erased; `stays` says what of it remains, and why.
    """

    name: str
    holds: str
    purpose: str
    basis: str
    how_long: str
    days: int | None
    shared_with: list[Shared]
    yours: bool
    shown: list[str]
    hidden: list[str]
    not_shown: str | None
    erased: list[str]
    stays: str | None


class Live(Struct, frozen=True):
    """One kind of thing that is kept only while it happens. `ends` says what ends it."""

    name: str
    holds: str
    purpose: str
    basis: str
    how_long: str
    ends: str
    yours: bool
    erased: str


class Part(Struct, frozen=True):
    """A category: what is on record of it, and what there is while it happens."""

    category: str
    title: str
    kept: list[Kept]
    live: list[Live]


class Vendor(Struct, frozen=True):
    """Somebody else's system: what it does for us, and what it keeps."""

    name: str
    does: str
    keeps: str


class DataMap(Struct, frozen=True):
    """All of it, in one language. `hosted`: where it lies."""

    language: Language
    categories: list[Part]
    vendors: list[Vendor]
    hosted: str


@cache
def words() -> dict[Language, MapWords]:
    """The map's own words, by language."""
    path = Path(__file__).parent / "words" / "data_map.json"
    return msgspec.json.decode(path.read_bytes(), type=dict[Language, MapWords])


def made(language: Language, registry: Registry, kept_for: Mapping[str, Period]) -> DataMap:
    """The map of a registry. Raises KeyError for a period that is not there."""
    said = words()[language]
    parts = [
        Part(
            category,
            said.categories[category],
            [
                _kept(table, registry, kept_for[table.retention], language)
                for table in registry.tables.values()
                if table.category == category
            ],
            [
                _live(family, registry, kept_for[family.retention], language)
                for family in registry.families.values()
                if family.category == category
            ],
        )
        for category in CATEGORIES
    ]
    others = [
        Vendor(one.name, _in(one.does, language), _in(one.keeps, language)) for one in vendors().values()
    ]
    return DataMap(language, parts, others, said.hosted)


def _kept(table: Table, registry: Registry, period: Period, language: Language) -> Kept:
    said, purpose = words()[language], registry.purposes[table.purpose]
    about = table.personal or any(column.person for column in table.columns.values())
    hidden = [name for name, column in table.columns.items() if about and not column.shown]
    # What no age ends and nobody's account has no end, whatever its kind says of what has one.
    endless = table.expires == "never" and not table.personal and period.ends != "never"
    ways = [kind for kind in KINDS if any(one.erased == kind for one in table.columns.values())]
    return Kept(
        name=table.name,
        holds=_in(table.holds, language),
        purpose=_in(purpose, language),
        basis=said.bases[purpose.basis],
        how_long=said.no_end if endless else _in(period.says, language),
        days=None if endless else period.days,
        shared_with=list(_shared(table, language)),
        yours=table.personal,
        shown=list(table.shown),
        hidden=hidden,
        not_shown=_in(table.hides, language) if hidden and table.hides is not None else None,
        # Of a table with people in it, the columns that tell nothing of them need no word.
        erased=[said.erased[kind] for kind in ways if kind != "nobody" or len(ways) == 1],
        stays=_in(table.keeps, language) if table.keeps is not None else None,
    )


def _shared(table: Table, language: Language) -> Iterator[Shared]:
    for vendor in vendors().values():
        for purpose in vendor.purposes.values():
            if any(field.partition(".")[0] == table.name for field in purpose.fields):
                yield Shared(vendor.name, _in(purpose.why, language))


def _live(family: Family, registry: Registry, period: Period, language: Language) -> Live:
    said, purpose = words()[language], registry.purposes[family.purpose]
    return Live(
        name=family.name,
        holds=_in(family.holds, language),
        purpose=_in(purpose, language),
        basis=said.bases[purpose.basis],
        how_long=_in(period.says, language),
        ends=_in(family.ends, language),
        yours=family.person,
        erased=said.live_erased[family.erased],
    )


def _in(both: object, language: Language) -> str:
    """The sentence of one language of something that has both."""
    sentence: str = getattr(both, language)
    return sentence
