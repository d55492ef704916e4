"""Free starts against a walk over every minute, in every zone, through clocks that go forward and back."""

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rooms.bookings import slots
from rooms.bookings.hours import Availability, Day, Hours, UnfitHours, Weekly, check, zones
from rooms.bookings.slots import Taken

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
NEW_YORK: Final = "America/New_York"


def hours(zone: str, weekly: list[Weekly], **given: object) -> Availability:
    known: dict[str, object] = {
        "exceptions": [],
        "notice_s": 0,
        "horizon_days": 366,
        "slot_s": 1_800,
        "buffer_s": 0,
    }
    return Availability(zone=zone, weekly=weekly, **(known | given))  # type: ignore[arg-type]


def daily(opens: str, closes: str) -> list[Weekly]:
    return [Weekly(opens, closes, weekday) for weekday in range(7)]


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1000


def walked(
    wanted: Availability, taken: list[Taken], *, from_ms: int, to_ms: int, duration_ms: int
) -> list[int]:
    """What is free, found by looking at the wall clock of every minute."""
    place = ZoneInfo(wanted.zone)

    def wall(at_ms: int) -> datetime:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(place)

    def rows(day: date) -> list[tuple[int, int]]:
        return [one.minutes for one in wanted.on(day)]

    def is_open(at_ms: int) -> bool:
        seen = wall(at_ms)
        minute = seen.hour * 60 + seen.minute
        return any(opens <= minute < closes for opens, closes in rows(seen.date()))

    def begins(at_ms: int) -> bool:
        seen = wall(at_ms)
        minute, step = seen.hour * 60 + seen.minute, wanted.slot_s // 60
        on_grid = any(
            opens <= minute < closes and (minute - opens) % step == 0 for opens, closes in rows(seen.date())
        )
        return on_grid and seen.fold == 0

    opened = {minute: is_open(minute) for minute in range(from_ms, to_ms + duration_ms, MINUTE_MS)}
    return [
        minute
        for minute in range(from_ms, to_ms, MINUTE_MS)
        if begins(minute)
        and all(opened[inner] for inner in range(minute, minute + duration_ms, MINUTE_MS))
        and not any(
            minute < other.to_ms + other.buffer_ms
            and other.from_ms < minute + duration_ms + wanted.buffer_s * 1000
            for other in taken
        )
    ]


@st.composite
def rows(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Hours of a day that do not overlap."""
    ends = sorted(draw(st.sets(st.integers(0, 96), min_size=2, max_size=6)))
    ends = ends[: len(ends) // 2 * 2]
    clocks = [f"{quarter // 4:02}:{quarter % 4 * 15:02}" for quarter in ends]
    return list(zip(clocks[::2], clocks[1::2], strict=True))


@st.composite
def turning(draw: st.DrawFn) -> tuple[str, int]:
    """A zone, and a moment near which its clocks turn if they turn at all that year; else any moment."""
    zone = draw(st.sampled_from(sorted(zones())))
    year = draw(st.integers(2022, 2034))
    place = ZoneInfo(zone)
    first = datetime(year, 1, 1, tzinfo=UTC)
    days = [first + timedelta(days=n) for n in range(365)]
    turns = [
        day
        for day in days
        if day.astimezone(place).utcoffset() != (day + timedelta(days=1)).astimezone(place).utcoffset()
    ]
    day = draw(st.sampled_from(turns or days))
    return zone, int(day.timestamp()) * 1000


@settings(max_examples=120, deadline=None)
@given(
    turning(),
    st.lists(rows(), min_size=7, max_size=7),
    st.sampled_from([300, 900, 1_200, 1_800, 3_600]),
    st.sampled_from([5, 25, 50, 90]),
    st.lists(
        st.tuples(st.integers(-600, 2_880), st.integers(5, 120), st.sampled_from([0, 10, 30])), max_size=3
    ),
    st.sampled_from([0, 600, 1_800]),
    st.lists(rows(), max_size=1),
)
def test_free_starts_are_those_of_a_walk_over_every_minute(
    when: tuple[str, int],
    week: list[list[tuple[str, str]]],
    slot_s: int,
    minutes: int,
    booked: list[tuple[int, int, int]],
    buffer_s: int,
    other: list[list[tuple[str, str]]],
) -> None:
    zone, near_ms = when
    from_ms, to_ms = near_ms - 6 * HOUR_MS, near_ms + 30 * HOUR_MS
    weekly = [Weekly(a, b, weekday) for weekday, day in enumerate(week) for a, b in day]
    day = datetime.fromtimestamp(near_ms / 1000, UTC).astimezone(ZoneInfo(zone)).date()
    exceptions = [Day(day, [Hours(a, b) for a, b in one]) for one in other]
    wanted = hours(zone, weekly, slot_s=slot_s, buffer_s=buffer_s, exceptions=exceptions)
    check(wanted)
    taken = [
        Taken(from_ms + a * MINUTE_MS, from_ms + (a + length) * MINUTE_MS, pause * MINUTE_MS)
        for a, length, pause in booked
    ]
    given = {"from_ms": from_ms, "to_ms": to_ms, "duration_ms": minutes * MINUTE_MS}
    found = slots.free(wanted, taken, **given, now_ms=from_ms)
    assert found == walked(wanted, taken, **given)
    assert len(set(found)) == len(found)
    for start in found[:3]:
        assert slots.is_free(wanted, taken, at_ms=start, duration_ms=minutes * MINUTE_MS, now_ms=from_ms)
        assert not slots.is_free(
            wanted, taken, at_ms=start + 1_000, duration_ms=minutes * MINUTE_MS, now_ms=from_ms
        )


def test_the_hour_that_no_clock_shows_has_no_start() -> None:
    wanted = hours(NEW_YORK, daily("01:00", "04:00"))
    day = at("2027-03-14T00:00:00-05:00")
    found = slots.free(
        wanted, [], from_ms=day, to_ms=day + 12 * HOUR_MS, duration_ms=30 * MINUTE_MS, now_ms=day
    )
    assert found == [
        at(f"2027-03-14T{clock}")
        for clock in ("01:00:00-05:00", "01:30:00-05:00", "03:00:00-04:00", "03:30:00-04:00")
    ]


def test_a_time_that_clocks_show_twice_is_a_start_once() -> None:
    wanted = hours(NEW_YORK, daily("00:30", "03:00"))
    day = at("2027-11-07T00:00:00-04:00")
    found = slots.free(
        wanted, [], from_ms=day, to_ms=day + 12 * HOUR_MS, duration_ms=30 * MINUTE_MS, now_ms=day
    )
    assert found == [
        at(f"2027-11-07T{clock}")
        for clock in (
            "00:30:00-04:00",
            "01:00:00-04:00",
            "01:30:00-04:00",
            "02:00:00-05:00",
            "02:30:00-05:00",
        )
    ]
    # The practitioner is there through both: a long session may last over the doubled hour.
    long = slots.free(
        wanted, [], from_ms=day, to_ms=day + 12 * HOUR_MS, duration_ms=120 * MINUTE_MS, now_ms=day
    )
    assert at("2027-11-07T01:30:00-04:00") in long


def test_hours_over_midnight_are_two_rows_and_one_stretch() -> None:
    weekly = [Weekly("22:00", "24:00", 0), Weekly("00:00", "02:00", 1)]
    wanted = hours("Europe/Paris", weekly, slot_s=3_600)
    monday = at("2027-02-01T12:00:00+01:00")
    found = slots.free(
        wanted, [], from_ms=monday, to_ms=monday + 24 * HOUR_MS, duration_ms=2 * HOUR_MS, now_ms=monday
    )
    assert found == [
        at(f"2027-02-{clock}") for clock in ("01T22:00:00+01:00", "01T23:00:00+01:00", "02T00:00:00+01:00")
    ]


def test_notice_horizon_and_range_bound_what_is_offered() -> None:
    wanted = hours("UTC", daily("00:00", "24:00"), notice_s=7_200, horizon_days=2, slot_s=3_600)
    now = at("2027-02-01T12:30:00+00:00")
    found = slots.free(
        wanted, [], from_ms=now - HOUR_MS, to_ms=now + 90 * 24 * HOUR_MS, duration_ms=HOUR_MS, now_ms=now
    )
    assert found[0] == at("2027-02-01T15:00:00+00:00")
    assert found[-1] == at("2027-02-03T12:00:00+00:00")
    endless = hours("UTC", daily("00:00", "24:00"), slot_s=3_600)
    found = slots.free(
        endless, [], from_ms=now, to_ms=now + 300 * 24 * HOUR_MS, duration_ms=HOUR_MS, now_ms=now
    )
    assert found[-1] < now + slots.RANGE_MAX_MS


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        ("zone", hours("Mars/Olympus", [])),
        ("zone", hours("Europe", [])),
        ("zone", hours("../etc/passwd", [])),
        ("zone", hours("", [])),
        ("weekly", hours("UTC", [Weekly("9:00", "10:00", 0)])),
        ("weekly", hours("UTC", [Weekly("10:00", "10:00", 0)])),
        ("weekly", hours("UTC", [Weekly("22:00", "02:00", 0)])),
        ("weekly", hours("UTC", [Weekly("25:00", "26:00", 0)])),
        ("weekly", hours("UTC", [Weekly("09:00", "12:00", 3), Weekly("11:59", "13:00", 3)])),
        ("exceptions", hours("UTC", [], exceptions=[Day(date(2027, 1, 1), [])] * 2)),
        ("exceptions", hours("UTC", [], exceptions=[Day(date(2027, 1, 1), [Hours("24:00", "24:00")])])),
        ("slot_s", hours("UTC", [], slot_s=301)),
    ],
)
def test_hours_that_cannot_be_kept_are_refused(field: str, wanted: Availability) -> None:
    with pytest.raises(UnfitHours) as refused:
        check(wanted)
    assert refused.value.field == field


def test_rows_that_touch_do_not_overlap() -> None:
    check(
        hours("UTC", [Weekly("09:00", "12:00", 3), Weekly("12:00", "13:00", 3), Weekly("11:00", "12:30", 4)])
    )


@pytest.mark.parametrize(
    ("minutes", "fit"),
    [(0, False), (5, True), (7, False), (60, True), (480, True), (485, False), (10_080, False)],
)
def test_lengths(minutes: int, fit: bool) -> None:
    assert slots.is_length(minutes * MINUTE_MS) is fit
