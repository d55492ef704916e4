"""When a practitioner can be booked: weekly hours by the wall clock of a zone, and the days that differ."""

import re
from datetime import date
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Final
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Meta, Struct

ROWS_MAX: Final = 84
EXCEPTIONS_MAX: Final = 366
HOURS_A_DAY_MAX: Final = 12
STEP_S: Final = 300
"""Slots begin, and bookings last, whole multiples of this."""

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")

Clock = Annotated[str, Meta(min_length=5, max_length=5)]
"""`HH:MM` by the wall; `24:00` is the end of the day."""


class UnfitHours(ValueError):
    """These hours cannot be kept; `field` says which part of them."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class Hours(Struct, frozen=True, forbid_unknown_fields=True, rename={"opens": "from", "closes": "to"}):
    """From a time until another of the same day. What goes over midnight is two of them."""

    opens: Clock
    closes: Clock

    @property
    def minutes(self) -> tuple[int, int]:
        """Both ends in minutes since midnight, as the wall clock counts them."""
        return minute(self.opens), minute(self.closes)


class Weekly(Hours, frozen=True, forbid_unknown_fields=True):
    """Hours of one weekday; Monday is 0."""

    weekday: Annotated[int, Meta(ge=0, le=6)]


class Day(Struct, frozen=True, forbid_unknown_fields=True):
    """A date on which other hours hold than on its weekday; none at all: that day is off."""

    date: date
    hours: Annotated[list[Hours], Meta(max_length=HOURS_A_DAY_MAX)]


class Availability(Struct, frozen=True, kw_only=True):
    """All that says when somebody can be booked.

    `notice_s`: how long before at the latest. `horizon_days`: how far ahead at most. `slot_s`: how far apart
    starts are. `buffer_s`: the pause after each booking.
    """

    zone: str
    weekly: list[Weekly]
    exceptions: list[Day]
    notice_s: int
    horizon_days: int
    slot_s: int
    buffer_s: int
    version: int = 1

    def on(self, day: date) -> list[Hours]:
        """The hours that hold on a date."""
        for exception in self.exceptions:
            if exception.date == day:
                return exception.hours
        return [hours for hours in self.weekly if hours.weekday == day.weekday()]


def check(wanted: Availability) -> None:
    """Raises UnfitHours for a zone that does not exist, and for hours that are none, or overlap."""
    if wanted.zone not in zones():
        raise UnfitHours("zone", "no time zone of this name")
    for weekday in range(7):
        _check_day("weekly", [hours for hours in wanted.weekly if hours.weekday == weekday])
    for day in wanted.exceptions:
        _check_day("exceptions", day.hours)
    if len({day.date for day in wanted.exceptions}) < len(wanted.exceptions):
        raise UnfitHours("exceptions", "a date is given twice")
    if wanted.slot_s % STEP_S:
        raise UnfitHours("slot_s", f"expected a multiple of {STEP_S}")


def minute(clock: str) -> int:
    """`HH:MM` in minutes since midnight. Raises UnfitHours."""
    if _CLOCK.fullmatch(clock) is None:
        raise UnfitHours("weekly", "expected times as HH:MM, up to 24:00")
    return int(clock[:2]) * 60 + int(clock[3:])


@lru_cache(maxsize=1)
def zones() -> frozenset[str]:
    """The names of all zones that this machine knows."""
    return frozenset(available_timezones())


def zone(name: str) -> ZoneInfo:
    """The zone of a name that was checked."""
    return ZoneInfo(name)


def _check_day(field: str, hours: list[Hours]) -> None:
    try:
        spans = sorted(one.minutes for one in hours)
    except UnfitHours as error:
        raise UnfitHours(field, str(error)) from None
    if any(opens >= closes for opens, closes in spans):
        raise UnfitHours(field, "hours end after they begin; over midnight they are two rows")
    if any(before[1] > after[0] for before, after in pairwise(spans)):
        raise UnfitHours(field, "hours overlap")
