"""What counts against a person fades, and never more than it was."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.strikes import DAY_MS, POINTS, Strike, weight

T0 = 1_790_000_000_000


def test_it_halves() -> None:
    strikes = [Strike(2, T0)]
    assert weight(strikes, half_life_days=90, now_ms=T0) == 2
    assert weight(strikes, half_life_days=90, now_ms=T0 + 90 * DAY_MS) == pytest.approx(1)
    assert weight(strikes, half_life_days=90, now_ms=T0 + 180 * DAY_MS) == pytest.approx(0.5)


def test_nothing_weighs_nothing() -> None:
    assert weight([], half_life_days=90, now_ms=T0) == 0


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 2_000 * DAY_MS)), max_size=50), st.integers(1, 900)
)
def test_it_only_fades(given_: list[tuple[int, int]], half_life_days: int) -> None:
    strikes = [Strike(points, T0 - age) for points, age in given_]
    now = weight(strikes, half_life_days=half_life_days, now_ms=T0)
    later = weight(strikes, half_life_days=half_life_days, now_ms=T0 + DAY_MS)
    assert 0 <= later <= now <= sum(strike.points for strike in strikes)


def test_what_is_not_directed_at_anybody_weighs_nothing() -> None:
    assert POINTS == {"warn": 1, "mute": 1, "remove": 2, "end": 2, "suspend": 3}
