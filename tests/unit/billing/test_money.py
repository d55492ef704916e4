from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import money

currencies = st.sampled_from(sorted(money.CURRENCIES))


@pytest.mark.parametrize(
    ("minor", "currency", "shown"),
    [
        (300, "usd", "$3.00"),
        (123456789, "usd", "$1,234,567.89"),
        (5, "eur", "€0.05"),
        (-5, "eur", "-€0.05"),
        (350, "jpy", "¥350"),
        (1250, "pln", "12.50 PLN"),
        (1230, "kwd", "1.230 KWD"),
        (150_000, "isk", "1,500 ISK"),
        (0, "chf", "0.00 CHF"),
    ],
)
def test_amounts_are_shown_as_people_write_them(minor: int, currency: str, shown: str) -> None:
    assert money.show(minor, currency) == shown


def test_minor_units_follow_the_currency() -> None:
    assert money.to_major(300, "usd") == Decimal("3.00")
    assert money.to_major(300, "jpy") == Decimal(300)
    assert money.to_major(300, "kwd") == Decimal("0.300")


@pytest.mark.parametrize("unknown", ["USD", "xxx", "", "us"])
def test_an_unknown_currency_is_refused(unknown: str) -> None:
    with pytest.raises(money.UnknownCurrency):
        money.exponent(unknown)


@given(currencies)
def test_what_is_least_can_be_charged(currency: str) -> None:
    assert money.minimum_charge_minor(currency) % money.step_minor(currency) == 0
    assert money.minimum_charge_minor(currency) > 0


@given(st.integers(0, 10**12), st.integers(1, 10**7), currencies)
def test_rounding_is_to_the_nearest_step_and_a_tie_goes_up(top: int, bottom: int, currency: str) -> None:
    amount, step = money.rounded(top, bottom, currency), money.step_minor(currency)
    assert amount % step == 0
    # Exact, in integers: amount - step/2 <= top/bottom < amount + step/2.
    assert (2 * amount - step) * bottom <= 2 * top < (2 * amount + step) * bottom


@given(st.integers(0, 10**12), currencies)
def test_down_and_up_enclose_the_amount(minor: int, currency: str) -> None:
    step = money.step_minor(currency)
    below, above = money.down(minor, currency), money.up(minor, currency)
    assert below <= minor <= above
    assert below % step == above % step == 0
    assert above - below in (0, step)
