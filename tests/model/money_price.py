"""What a session's bill must say, told naively in fractions: the price, and what free time is worth."""

from fractions import Fraction
from math import floor
from typing import Any

from billing import money
from rooms.room import Room


def is_the_price(room: Room, settlement: dict[str, Any]) -> None:
    """The time that both were there, up to what was funded, at the agreed rate, rounded once."""
    terms, guest = room.terms, room.guests[0]
    assert room.ended_at_ms is not None
    common_ms = room.ended_at_ms - room.live_at_ms if room.live_at_ms is not None else 0
    if guest.hold is not None:
        common_ms = min(common_ms, guest.hold.funded_ms)
    assert settlement["billed_ms"] == common_ms
    free_ms = min(common_ms, terms.free_ms)
    assert settlement["free_ms"] == free_ms
    _is_worth_the_free_time(room, common_ms, free_ms, settlement["promotion_minor"])
    paid_ms = common_ms - free_ms
    exact = min(Fraction(paid_ms * terms.rate_minor_per_minute, 60_000), Fraction(terms.cap_minor))
    assert abs(settlement["subtotal_minor"] - exact) <= Fraction(money.step_minor(terms.currency), 2)
    total, least = settlement["total_minor"], money.minimum_charge_minor(terms.currency)
    if settlement["waived"] is None:
        # A remainder that is too small to be charged by itself is forgiven.
        assert settlement["subtotal_minor"] - least < total <= settlement["subtotal_minor"]
    else:
        assert total == 0
    assert settlement["fee_minor"] + settlement["practitioner_minor"] == total
    assert total == 0 or total >= least


def _is_worth_the_free_time(room: Room, common_ms: int, free_ms: int, promised_minor: int) -> None:
    """As if one guest had paid for all of it, a quarter of an hour of the free time at most."""
    terms, step = room.terms, money.step_minor(room.terms.currency)

    def earned(paid_ms: int) -> int:
        steps = floor(Fraction(paid_ms * terms.rate_minor_per_minute, 60_000 * step) + Fraction(1, 2))
        return (steps - floor(Fraction(steps * step * terms.fee_bps, 10_000 * step))) * step

    paid_ms = common_ms - free_ms
    worth_minor = earned(paid_ms + min(free_ms, 900_000)) - earned(paid_ms)
    assert promised_minor == min(worth_minor, 100 * money.unit_minor(terms.currency))
