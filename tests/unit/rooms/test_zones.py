"""Which numbers get texts, and where their owners' clocks may be."""

import pytest

from rooms import zones

PARIS, NEW_YORK = "+33612345678", "+12125550123"
ADELAIDE_OR_ELSEWHERE = "+61412345678"


def names(phone: str, country: str | None = None, declared: str | None = None) -> set[str]:
    number = zones.mobile(phone)
    assert number is not None
    return {zone.key for zone in zones.zones(number, country=country, declared=declared)}


@pytest.mark.parametrize("phone", [PARIS, NEW_YORK, ADELAIDE_OR_ELSEWHERE, "+447400123456"])
def test_mobile_numbers(phone: str) -> None:
    assert zones.mobile(phone) is not None


@pytest.mark.parametrize(
    "phone",
    [
        None,
        "",
        "12",
        "0612345678",
        "+33142345678",  # a landline
        "+33891701234",  # costs extra
        "+18005550123",  # toll-free
        "+19005550123",  # premium
        "+999123456789",
    ],
)
def test_no_others(phone: str | None) -> None:
    assert zones.mobile(phone) is None


def test_the_area_of_a_number_tells_its_zone() -> None:
    assert names(PARIS) == {"Europe/Paris"}
    assert names(NEW_YORK) == {"America/New_York"}
    assert names(NEW_YORK, country="US") == {"America/New_York"}
    assert {"Australia/Perth", "Australia/Sydney"} <= names(ADELAIDE_OR_ELSEWHERE)


def test_who_lives_elsewhere_may_be_at_either_place() -> None:
    assert names(NEW_YORK, country="FR") == {"America/New_York", "Europe/Paris"}
    assert names(PARIS, country="fr") == {"Europe/Paris"}


def test_what_was_declared_counts_alone() -> None:
    assert names(PARIS, country="US", declared="Asia/Tokyo") == {"Asia/Tokyo"}
    assert names(PARIS, declared="Not/AZone") == {"Europe/Paris"}


def test_blocks_of_numbers() -> None:
    for phone in ("+33612345678", "+33612349999"):
        number = zones.mobile(phone)
        assert number is not None
        assert zones.prefix(number) == "+336123"
