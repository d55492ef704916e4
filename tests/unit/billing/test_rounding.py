"""One rounding, exact: ten thousand generated sessions against the definition in fractions."""

import random
from fractions import Fraction
from math import floor

from billing import money, price
from billing.settlement import settle
from tests.unit.billing.terms import over, per_minute, placed

CASES = 10_000
SEED = 20_260_101
HOURS_8_MS = 8 * 3_600_000


def nearest(exact: Fraction, step: int) -> int:
    """To the nearest multiple of `step`; a tie goes up."""
    return floor(exact / step + Fraction(1, 2)) * step


def test_ten_thousand_prices_are_the_exact_ones_rounded_once() -> None:
    chance = random.Random(SEED)
    currencies = sorted(money.CURRENCIES)
    for number in range(CASES):
        currency = currencies[number % len(currencies)]
        least, step = money.minimum_charge_minor(currency), money.step_minor(currency)
        rate = chance.randint(1, 20 * least)
        cap = chance.randint(least, 2_000 * least)
        free_ms = chance.choice([0, chance.randint(0, 600_000)])
        terms = per_minute(rate, currency=currency, free_ms=free_ms, cap_minor=cap)
        billed_ms = chance.randint(0, HOURS_8_MS)
        exact = Fraction(rate * max(0, billed_ms - free_ms), 60_000)
        expected = min(nearest(exact, step), cap // step * step)
        assert price.amount_minor(terms, billed_ms) == expected, (terms, billed_ms)


def test_ten_thousand_ties_go_up() -> None:
    """Exactly half a step, in every currency, at rates and times that meet it."""
    chance = random.Random(SEED)
    currencies = sorted(money.CURRENCIES)
    for number in range(CASES):
        step = money.step_minor(currency := currencies[number % len(currencies)])
        whole = chance.randint(0, 10_000)
        # A rate of 30,000 steps a minute makes half a step a millisecond.
        terms = per_minute(30_000 * step, currency=currency, cap_minor=10**12)
        assert price.amount_minor(terms, 2 * whole + 1) == (whole + 1) * step


def test_ten_thousand_settlements_share_without_a_remainder() -> None:
    chance = random.Random(SEED)
    currencies = sorted(money.CURRENCIES)
    for number in range(CASES):
        currency = currencies[number % len(currencies)]
        least, step = money.minimum_charge_minor(currency), money.step_minor(currency)
        rate, bps = chance.randint(1, 5 * least), chance.randint(0, 10_000)
        cap = (rate * 60 // step + 2) * step + least
        terms = per_minute(rate, currency=currency, fee_bps=bps, cap_minor=cap)
        holds = tuple(placed(ordinal, max(least, cap // 3 // step * step)) for ordinal in (1, 2, 3, 4))
        room = over(terms, (0, chance.randint(0, 3_600_000)), ordinals=(1, 2, 3, 4))
        bill = settle(room, room.guests[0], held=holds, destination="acct_1")
        captures = [op.amount_minor for op in bill.operations if op.kind == "capture"]
        transfers = [op.amount_minor for op in bill.operations if op.kind == "transfer"]
        assert sum(captures) == bill.total_minor
        assert sum(transfers) == bill.practitioner_minor
        assert bill.fee_minor + bill.practitioner_minor == bill.total_minor
        assert bill.fee_minor == floor(Fraction(bill.total_minor * bps, 10_000) / step) * step
        assert all(part >= least and part % step == 0 for part in captures)
        assert all(part % step == 0 for part in transfers)
