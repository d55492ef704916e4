from datetime import UTC, date, datetime

import pytest

from rooms.age import adult_from_ms, could_be_born_on, is_adult


def ms(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1000  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("born_on", "from_ms"),
    [
        (date(2008, 7, 14), ms(2026, 7, 14, 12)),
        (date(2008, 2, 28), ms(2026, 2, 28, 12)),
        (date(2008, 2, 29), ms(2026, 3, 1, 12)),
        (date(2008, 3, 1), ms(2026, 3, 1, 12)),
        (date(2006, 2, 28), ms(2024, 2, 28, 12)),
        (date(2007, 12, 31), ms(2025, 12, 31, 12)),
        (date(2008, 1, 1), ms(2026, 1, 1, 12)),
        (date(1900, 1, 1), ms(1918, 1, 1, 12)),
    ],
)
def test_a_birthday_begins_last_at_utc_minus_twelve(born_on: date, from_ms: int) -> None:
    assert adult_from_ms(born_on) == from_ms
    assert not is_adult(attested=True, born_on=born_on, now_ms=from_ms - 1)
    assert is_adult(attested=False, born_on=born_on, now_ms=from_ms)


def test_nobody_is_an_adult_anywhere_before_it_is_their_birthday_there() -> None:
    for offset_h in range(-12, 15):
        local_midnight_ms = ms(2026, 7, 14) - offset_h * 3_600_000
        assert adult_from_ms(date(2008, 7, 14)) >= local_midnight_ms


def test_without_a_date_the_word_counts() -> None:
    assert is_adult(attested=True, born_on=None, now_ms=0)
    assert not is_adult(attested=False, born_on=None, now_ms=ms(2026, 1, 1))


def test_a_day_counts_once_it_has_begun_somewhere() -> None:
    now_ms = ms(2026, 7, 14, 10)
    assert could_be_born_on(date(2026, 7, 15), now_ms=now_ms)
    assert not could_be_born_on(date(2026, 7, 15), now_ms=now_ms - 1)
    assert not could_be_born_on(date(2026, 7, 16), now_ms=now_ms)
    assert could_be_born_on(date(1900, 1, 1), now_ms=now_ms)
    assert not could_be_born_on(date(1899, 12, 31), now_ms=now_ms)
