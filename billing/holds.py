"""Holds: how much is reserved on the guest's card, and for how long that pays."""

from typing import Final

from billing import money
from billing.price import MINUTE_MS
from rooms.room import Terms

OPEN_ENDED_MS: Final = 7 * 24 * 3_600_000
"""The funded time of a price that does not grow with time: longer than any session may be."""


def first_hold_minor(terms: Terms) -> int:
    """What is held before the session is offered, in minor units; 0 when nothing can ever be charged.

    The smaller of the cap and the minutes that one hold covers, but at least what the currency can charge.
    Raises UnknownCurrency.
    """
    return next_hold_minor(terms, 0)


def next_hold_minor(terms: Terms, held_minor: int) -> int:
    """The hold after `held_minor` is placed, in minor units; 0 once the cap is held.

    Each hold can be charged by itself, so the last one may reach above the cap. The charge never does.
    """
    left_minor = terms.cap_minor - held_minor
    if terms.kind == "free" or left_minor <= 0:
        return 0
    wanted_minor = left_minor
    if terms.kind == "per_minute":
        wanted_minor = min(left_minor, terms.rate_minor_per_minute * terms.hold_minutes)
    if wanted_minor <= 0:
        return 0
    return money.up(max(wanted_minor, money.minimum_charge_minor(terms.currency)), terms.currency)


def further_hold_minor(terms: Terms, held_minor: int, minutes: int) -> int:
    """A hold after the first, in minor units: for these `minutes`, or with 0 as large as the next one is.

    Raises UnknownCurrency.
    """
    if minutes == 0:
        return next_hold_minor(terms, held_minor)
    least_minor = money.minimum_charge_minor(terms.currency)
    return money.up(max(terms.rate_minor_per_minute * minutes, least_minor), terms.currency)


def raised_cap_minor(terms: Terms, minutes: int) -> int:
    """The cap of a guest who wants `minutes` more than was agreed."""
    return terms.cap_minor + terms.rate_minor_per_minute * minutes


def funded_ms(terms: Terms, held_minor: int) -> int:
    """How much billed time the holds together pay for, in milliseconds, free time included.

    The price of this time is never above `held_minor`: it is the largest whole number of milliseconds that
    the held money covers. A further hold adds the difference of two calls. Raises UnknownCurrency.
    """
    if terms.kind == "free":
        return OPEN_ENDED_MS
    covered_minor = money.down(min(held_minor, terms.cap_minor), terms.currency)
    if terms.kind == "flat":
        return (
            OPEN_ENDED_MS if covered_minor >= money.down(terms.cap_minor, terms.currency) else terms.free_ms
        )
    if terms.rate_minor_per_minute == 0:
        return OPEN_ENDED_MS
    return min(terms.free_ms + covered_minor * MINUTE_MS // terms.rate_minor_per_minute, OPEN_ENDED_MS)
