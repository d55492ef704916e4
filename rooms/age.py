"""Who is an adult, and since when. Never too early, whatever the place and whatever the year.

A birthday begins last at UTC-12, twelve hours after midnight in UTC: only from then on is it that day
wherever the person may be. Whoever was born on 29 February comes of age on 1 March of a year without it.
"""

from datetime import UTC, date, datetime, timedelta
from typing import Final

ADULT_YEARS: Final = 18
BORN_FIRST: Final = date(1900, 1, 1)
LAST_ZONE: Final = timedelta(hours=12)
"""How long after midnight in UTC a day has begun everywhere."""


def adult_from_ms(born_on: date) -> int:
    """The moment, in Unix milliseconds, from which somebody is an adult."""
    try:
        birthday = born_on.replace(year=born_on.year + ADULT_YEARS)
    except ValueError:
        birthday = date(born_on.year + ADULT_YEARS, 3, 1)
    midnight = datetime(birthday.year, birthday.month, birthday.day, tzinfo=UTC)
    return int((midnight + LAST_ZONE).timestamp()) * 1000


def is_adult(*, attested: bool, born_on: date | None, now_ms: int) -> bool:
    """A date of birth decides; without one, what the person attested."""
    return attested if born_on is None else now_ms >= adult_from_ms(born_on)


def could_be_born_on(born_on: date, *, now_ms: int) -> bool:
    """Whether somebody who lives now may have been born then; a day counts once it has begun somewhere."""
    # UTC+14 is where a day begins first.
    first = datetime.fromtimestamp(now_ms / 1000, UTC) + timedelta(hours=14)
    return BORN_FIRST <= born_on <= first.date()
