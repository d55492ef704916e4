"""Tips: what may be given, and what a repeated wish means."""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from billing import money, who_pays
from billing.payment import Operation, State

WITHIN_MS: Final = 30 * 24 * 3_600_000
"""How long after a session a tip can be given."""
MAXIMUM_TIMES: Final = 1_000
"""The largest tip, as a multiple of the least charge in its currency."""
ATTEMPTS_MAX: Final = 8

Next = Literal["give", "wait", "given", "declined", "other_amount"]


class Wish(Struct, frozen=True):
    """What is to be done about a wish: `next`, and the attempt that it would be."""

    next: Next
    attempt: int


def bounds_minor(currency: str) -> tuple[int, int]:
    """The smallest and the largest tip. Raises UnknownCurrency."""
    least_minor = money.minimum_charge_minor(currency)
    return least_minor, least_minor * MAXIMUM_TIMES


def is_amount(amount_minor: int, currency: str) -> bool:
    """Whether this can be given: within bounds, and an amount that can be charged. Raises UnknownCurrency."""
    least_minor, most_minor = bounds_minor(currency)
    return least_minor <= amount_minor <= most_minor and amount_minor % money.step_minor(currency) == 0


def is_open(end_reason: str | None, ended_at_ms: int, now_ms: int) -> Literal["open", "closed", "late"]:
    """Whether a session that was live can be tipped for."""
    if who_pays.row(end_reason).tip == "closed":
        return "closed"
    return "open" if now_ms - ended_at_ms <= WITHIN_MS else "late"


def wish(known: Sequence[Operation], amount_minor: int, payment_method: str) -> Wish:
    """What a wish for a tip means, after all earlier attempts, the latest last.

    One that is given or on its way is that tip: the same amount again changes nothing, another is refused.
    One that was declined can be given again once there is another card.
    """
    if not known:
        return Wish("give", 1)
    last = known[-1]
    if last.state is State.FAILED:
        same_card = last.params.body.get("payment_method") == payment_method
        again = not same_card and last.attempt < ATTEMPTS_MAX
        return Wish("give", last.attempt + 1) if again else Wish("declined", last.attempt)
    if last.amount_minor != amount_minor:
        return Wish("other_amount", last.attempt)
    return Wish("given" if last.state is State.SUCCEEDED else "wait", last.attempt)
