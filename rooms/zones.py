"""Where somebody's clock may be: time zones of a telephone number, of a country, or as they said themselves.

Nobody is asked where they are. So there may be several zones, and whoever uses them must be right in each.
"""

from functools import cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import phonenumbers
from phonenumbers import PhoneNumberType, timezone

UNKNOWN: Final = "Etc/Unknown"
PREFIX_DIGITS: Final = 4
MOBILE: Final = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
"""In some countries nobody can tell the two apart."""


def mobile(phone: str | None) -> phonenumbers.PhoneNumber | None:
    """The number, if a text can arrive there: a valid mobile one. No landlines, nothing that costs extra."""
    if phone is None:
        return None
    try:
        number = phonenumbers.parse(phone)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number) or phonenumbers.number_type(number) not in MOBILE:
        return None
    return number


def prefix(number: phonenumbers.PhoneNumber) -> str:
    """The block that a number comes from: `+`, the country's code and the first four digits after it."""
    return f"+{number.country_code}{phonenumbers.national_significant_number(number)[:PREFIX_DIGITS]}"


def zones(
    number: phonenumbers.PhoneNumber, *, country: str | None, declared: str | None
) -> tuple[ZoneInfo, ...]:
    """Where its owner's clock may be, at least one zone unless nobody can say.

    A zone that they declared counts alone; a practitioner's own hours have one. Otherwise those of the
    number (of its area, where it has one), and if they live in another country than the number's, also those
    of that country.
    """
    if declared is not None and declared in _known():
        return (ZoneInfo(declared),)
    names = {name for name in timezone.time_zones_for_number(number) if name in _known()}
    if country is not None and (not names or country != phonenumbers.region_code_for_number(number)):
        names |= {name for name in _by_country().get(country.upper(), ()) if name in _known()}
    return tuple(ZoneInfo(name) for name in sorted(names))


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones() - {UNKNOWN})


@cache
def _by_country() -> dict[str, tuple[str, ...]]:
    """The table of the time zone database: which zones a country has."""
    found: dict[str, tuple[str, ...]] = {}
    table = files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="ascii")
    for line in table.splitlines():
        if line and not line.startswith("#"):
            country, _, name, *_ = line.split("\t")
            found[country] = (*found.get(country, ()), name)
    return found
