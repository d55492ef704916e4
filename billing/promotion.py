"""Free time is paid to the practitioner by the platform. Pure.

The guest's free seconds are the platform's gift, so the practitioner earns as if the guest had paid for them:
the price of the free time, less the platform's fee. It goes on by a transfer of its own from the platform's
balance, since there is no charge that it could be a part of.
"""

from collections.abc import Iterable
from typing import Final

from billing import money, price, requests
from billing.payment import Operation, State
from billing.refunding import Deduction
from rooms.room import Terms

PROMOTED_MAX_MS: Final = 900_000
"""The free time that the platform pays for in one session. Who offers more than this gives the rest."""
SESSION_MAX_UNITS: Final = 100
"""The most that the platform pays for the free time of one session, in units of about a dollar."""
DAY_MAX_UNITS: Final = 500
"""What a practitioner may earn by free time within a day before a person has looked at it, in such units."""
DAY_MS: Final = 86_400_000


def promotion_minor(terms: Terms, billed_ms: int, free_ms: int) -> int:
    """What the platform owes for free time: its price less the fee in basis points, in minor units.

    `free_ms` is how much of `billed_ms` was free and counts as used. It is the difference of what the paid
    time earns with the free time and without it, so that both add up to what one guest who pays for all of it
    would have brought, to the unit. The guest's cap does not bound it: it limits what the guest pays, and
    free time is not charged to it. `SESSION_MAX_UNITS` bounds it. Raises UnknownCurrency.
    """
    paid_ms = price.paid_ms(terms, billed_ms)
    covered_ms = min(free_ms, PROMOTED_MAX_MS)
    worth_minor = _earned_minor(terms, paid_ms + covered_ms) - _earned_minor(terms, paid_ms)
    return min(worth_minor, SESSION_MAX_UNITS * money.unit_minor(terms.currency))


def day_max_minor(currency: str) -> int:
    """What of it goes out within a day without a person having looked. Raises UnknownCurrency."""
    return DAY_MAX_UNITS * money.unit_minor(currency)


def due_minor(
    operations: Iterable[Operation],
    deductions: Iterable[Deduction],
    *,
    participant_no: int,
    promotion_minor: int,
) -> int:
    """What of a guest's free time is still to be transferred, of what the settlement says. A debt may have
    been kept from it; what guests and banks take back of charges is none of its concern.
    """
    arrived_minor = sum(
        one.outcome.amount_minor
        for one in operations
        if requests.is_promotion(one)
        and one.participant_no == participant_no
        and one.state is State.SUCCEEDED
        and one.outcome is not None
    )
    kept_minor = sum(one.practitioner_minor for one in deductions if one.charge is None)
    return promotion_minor - arrived_minor - kept_minor


def _earned_minor(terms: Terms, used_ms: int) -> int:
    total_minor = price.time_minor(terms, used_ms)
    return total_minor - price.fee_minor(terms, total_minor)
