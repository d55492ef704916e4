"""The fee for a booking that its guest misses: agreed when it is booked, charged from the hold or never."""

from typing import Final

from billing import holds, money, price
from rooms.room import Terms

MINUTES: Final = 10
"""For how many minutes of the rate a guest pays who cancels too late, or does not come."""


def fee_minor(terms: Terms) -> int:
    """What is agreed for that, in minor units: never more than what is held first, or than the session can
    cost, and nothing where it is too little to be charged. Raises UnknownCurrency.
    """
    if terms.kind == "free":
        return 0
    most_minor = min(terms.cap_minor, holds.first_hold_minor(terms))
    wanted_minor = money.down(min(terms.rate_minor_per_minute * MINUTES, most_minor), terms.currency)
    return wanted_minor if wanted_minor >= price.least_minor(terms) else 0
