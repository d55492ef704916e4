"""The price: what the terms ask for an amount of time. Computed once, when the meter is frozen.

The figure that people see while the meter runs comes from the same function, so it cannot differ.
"""

from typing import Final

from billing import money
from rooms.room import Terms

MINUTE_MS: Final = 60_000


def paid_ms(terms: Terms, billed_ms: int) -> int:
    """The part of the time that is paid for: what lies beyond the free time."""
    return max(0, billed_ms - terms.free_ms)


def amount_minor(terms: Terms, billed_ms: int) -> int:
    """What `billed_ms` of proven common time costs, in minor units; never above the cap.

    Free time comes first. A flat price is due once paid time has begun. Amounts too small to charge are
    returned as they are: settlement waives them. Raises UnknownCurrency.
    """
    return min(time_minor(terms, paid_ms(terms, billed_ms)), money.down(terms.cap_minor, terms.currency))


def time_minor(terms: Terms, used_ms: int) -> int:
    """What this much paid time is worth at the agreed rate, in minor units, whatever the guest's cap is.

    A flat price is worth the same however long it lasts, from `flat_after_ms` on. Raises UnknownCurrency.
    """
    if terms.kind == "free" or used_ms == 0:
        return 0
    if terms.kind == "flat" and used_ms < terms.flat_after_ms:
        return 0
    if terms.kind == "flat":
        return money.down(terms.cap_minor, terms.currency)
    return money.rounded(terms.rate_minor_per_minute * used_ms, MINUTE_MS, terms.currency)


def least_minor(terms: Terms) -> int:
    """Below this an amount is not charged at all: the agreed minimum, or the currency's."""
    return max(terms.minimum_minor, money.minimum_charge_minor(terms.currency))


def fee_minor(terms: Terms, total_minor: int) -> int:
    """The platform's part of a charge. The fraction goes to the practitioner."""
    return money.down(total_minor * terms.fee_bps // 10_000, terms.currency)
