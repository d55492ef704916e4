from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billing import holds, money, price
from rooms.room import Terms
from tests.unit.billing.terms import per_minute

MINUTE_MS = 60_000
HOURS_8_MS = 8 * 60 * MINUTE_MS


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    currency = draw(st.sampled_from(sorted(money.CURRENCIES)))
    least = money.minimum_charge_minor(currency)
    return per_minute(
        draw(st.integers(1, 100 * least)),
        currency=currency,
        free_ms=draw(st.one_of(st.just(0), st.integers(0, HOURS_8_MS))),
        fee_bps=draw(st.integers(0, 10_000)),
        cap_minor=draw(st.integers(least, 10_000 * least)),
        minimum_minor=draw(st.one_of(st.just(0), st.integers(0, 10 * least))),
    )


billed = st.integers(0, HOURS_8_MS)


def exact(terms: Terms, billed_ms: int) -> Fraction:
    """The price by definition, in minor units, before rounding and cap."""
    return Fraction(terms.rate_minor_per_minute * max(0, billed_ms - terms.free_ms), MINUTE_MS)


def test_one_minute_at_three_dollars() -> None:
    assert price.amount_minor(per_minute(300), MINUTE_MS) == 300


def test_half_a_cent_goes_up_and_less_goes_down() -> None:
    # At 300 a minute a cent is 200 ms.
    assert price.amount_minor(per_minute(300), 100) == 1
    assert price.amount_minor(per_minute(300), 99) == 0


def test_free_time_comes_first() -> None:
    agreed = per_minute(300, free_ms=5 * MINUTE_MS)
    assert price.amount_minor(agreed, 5 * MINUTE_MS) == 0
    assert price.amount_minor(agreed, 6 * MINUTE_MS) == 300


def test_a_free_session_costs_nothing_and_holds_nothing() -> None:
    free = replace(per_minute(0), kind="free", cap_minor=0)
    assert price.amount_minor(free, HOURS_8_MS) == 0
    assert holds.first_hold_minor(free) == 0
    assert holds.funded_ms(free, 0) >= HOURS_8_MS


def test_a_rate_of_zero_costs_nothing_and_holds_nothing() -> None:
    assert price.amount_minor(per_minute(0), HOURS_8_MS) == 0
    assert holds.first_hold_minor(per_minute(0)) == 0
    assert holds.funded_ms(per_minute(0), 0) >= HOURS_8_MS


def test_a_flat_price_is_due_once_paid_time_began() -> None:
    flat = replace(per_minute(0, cap_minor=2500), kind="flat")
    assert price.amount_minor(flat, 0) == 0
    assert price.amount_minor(flat, 1) == 2500
    assert price.amount_minor(flat, HOURS_8_MS) == 2500
    assert holds.first_hold_minor(flat) == 2500
    assert holds.funded_ms(flat, 2500) >= HOURS_8_MS
    assert holds.funded_ms(flat, 0) == 0


@given(terms(), billed)
def test_the_price_is_the_exact_price_rounded_once(agreed: Terms, billed_ms: int) -> None:
    amount, step = price.amount_minor(agreed, billed_ms), money.step_minor(agreed.currency)
    assert amount % step == 0
    capped = min(exact(agreed, billed_ms), Fraction(money.down(agreed.cap_minor, agreed.currency)))
    assert abs(amount - capped) <= Fraction(step, 2)


@given(terms(), billed)
def test_the_price_is_never_above_the_cap(agreed: Terms, billed_ms: int) -> None:
    assert 0 <= price.amount_minor(agreed, billed_ms) <= agreed.cap_minor


@given(terms(), billed, billed)
def test_more_time_never_costs_less(agreed: Terms, one: int, other: int) -> None:
    less, more = sorted((one, other))
    assert price.amount_minor(agreed, less) <= price.amount_minor(agreed, more)


@given(terms(), st.integers(0, 10**9))
def test_the_funded_time_never_costs_more_than_is_held(agreed: Terms, held_minor: int) -> None:
    assert price.amount_minor(agreed, holds.funded_ms(agreed, held_minor)) <= held_minor


@given(terms(), st.integers(0, 10**9))
def test_the_funded_time_uses_all_that_is_held(agreed: Terms, held_minor: int) -> None:
    covered = money.down(min(held_minor, agreed.cap_minor), agreed.currency)
    funded_ms = holds.funded_ms(agreed, held_minor)
    assert exact(agreed, funded_ms) <= covered
    if funded_ms < holds.OPEN_ENDED_MS:
        assert exact(agreed, funded_ms + 1) > covered


@given(terms())
def test_a_first_hold_can_be_charged_and_covers_ten_minutes_or_the_cap(agreed: Terms) -> None:
    hold_minor = holds.first_hold_minor(agreed)
    assert hold_minor % money.step_minor(agreed.currency) == 0
    assert hold_minor >= money.minimum_charge_minor(agreed.currency)
    assert hold_minor >= min(agreed.cap_minor, 10 * agreed.rate_minor_per_minute)


@given(terms())
def test_holds_go_on_until_the_cap_and_no_further(agreed: Terms) -> None:
    held_minor = agreed.cap_minor - 1
    assert holds.next_hold_minor(agreed, held_minor) > 0
    assert holds.next_hold_minor(agreed, agreed.cap_minor) == 0


@given(terms(), st.integers(0, 10**9))
def test_the_fee_is_a_part_of_the_charge_and_its_fraction_the_practitioners(
    agreed: Terms, steps: int
) -> None:
    step = money.step_minor(agreed.currency)
    fee = price.fee_minor(agreed, steps * step)
    due = Fraction(steps * step * agreed.fee_bps, 10_000)
    assert fee % step == 0
    assert due - step < fee <= due
