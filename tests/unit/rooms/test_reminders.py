"""When reminders are sent: never in anybody's quiet hours, never late, and as early as that allows."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from rooms.reminders import (
    Facts,
    Never,
    Quiet,
    Send,
    Wait,
    decide,
    first_loud_ms,
    is_quiet,
    latest_ms,
)

NIGHT = Quiet(21, 8)
PARIS, NEW_YORK = ZoneInfo("Europe/Paris"), ZoneInfo("America/New_York")
DAY_S, HOUR_S, TEN_MIN_S = 86_400, 3_600, 600
HOUR_MS = 3_600_000


def ms(text: str, zone: ZoneInfo = PARIS) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


def local(at_ms: int, zone: ZoneInfo = PARIS) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, zone):%Y-%m-%d %H:%M}"


def facts(starts: str, lead_s: int) -> Facts:
    starts_at_ms = ms(starts)
    return Facts(lead_s, starts_at_ms, "booked", starts_at_ms, True, False, "+33612345678", "FR", None)


def at_due(known: Facts) -> Send | Wait | Never:
    return decide(known, NIGHT, now_ms=known.starts_at_ms - known.lead_s * 1000)


@pytest.mark.parametrize("lead_s", [DAY_S, HOUR_S, TEN_MIN_S])
def test_by_day_at_once(lead_s: int) -> None:
    told = at_due(facts("2027-03-03 15:00", lead_s))
    assert told == Send("+33612345678", "+336123", (PARIS,))


def test_a_days_notice_comes_in_the_morning() -> None:
    told = at_due(facts("2027-03-04 23:30", DAY_S))
    assert isinstance(told, Wait)
    assert local(told.until_ms) == "2027-03-04 08:00"
    told = at_due(facts("2027-03-04 07:00", DAY_S))
    assert isinstance(told, Wait)
    assert local(told.until_ms) == "2027-03-03 08:00"


def test_an_hours_notice_may_be_late_by_half() -> None:
    told = at_due(facts("2027-03-04 08:30", HOUR_S))
    assert isinstance(told, Wait)
    assert local(told.until_ms) == "2027-03-04 08:00"
    assert at_due(facts("2027-03-04 08:15", HOUR_S)) == Never("quiet")


@pytest.mark.parametrize("starts", ["2027-03-04 08:00", "2027-03-04 08:04", "2027-03-04 02:00"])
def test_nobody_is_woken_ten_minutes_before(starts: str) -> None:
    assert at_due(facts(starts, TEN_MIN_S)) == Never("quiet")


def test_where_several_zones_are_possible_it_is_quiet_in_none() -> None:
    known = replace(facts("2027-03-04 20:00", DAY_S), country="US")
    for hour in range(24):
        told = decide(known, NIGHT, now_ms=known.starts_at_ms - DAY_S * 1000 + hour * HOUR_MS)
        if isinstance(told, Send):
            assert {PARIS, NEW_YORK} <= set(told.zones)
            assert not is_quiet(NIGHT, told.zones, known.starts_at_ms - DAY_S * 1000 + hour * HOUR_MS)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"booking_state": "cancelled"}, "cancelled"),
        ({"booking_state": "missed"}, "cancelled"),
        ({"booking_state": "started"}, "begun"),
        ({"booking_state": "done"}, "begun"),
        ({"booking_starts_at_ms": 1}, "moved"),
        ({"barred": True}, "barred"),
        ({"consents": False}, "no_consent"),
        ({"phone": None}, "no_number"),
        ({"phone": "+33142345678"}, "not_mobile"),
        ({"phone": "+33891701234"}, "not_mobile"),
    ],
)
def test_left_out(changed: dict[str, object], reason: str) -> None:
    known: Facts = replace(facts("2027-03-03 15:00", HOUR_S), **changed)
    assert at_due(known) == Never(reason)  # type: ignore[arg-type]


def test_never_too_late() -> None:
    known = facts("2027-03-03 15:00", HOUR_S)
    last_ms = latest_ms(known.starts_at_ms, HOUR_S)
    assert isinstance(decide(known, NIGHT, now_ms=last_ms), Send)
    assert decide(known, NIGHT, now_ms=last_ms + 1) == Never("late")
    assert decide(known, NIGHT, now_ms=known.starts_at_ms) == Never("begun")


def test_clocks_put_forward_in_the_night() -> None:
    # 28 March 2027, 02:00 becomes 03:00: the morning comes an hour sooner, by the clock on the wall at 8:00.
    before_ms = ms("2027-03-27 22:00")
    found = first_loud_ms(NIGHT, (PARIS,), from_ms=before_ms, until_ms=before_ms + 24 * HOUR_MS)
    assert found is not None
    assert local(found) == "2027-03-28 08:00"
    assert found - before_ms == 9 * HOUR_MS


def test_clocks_put_back_in_the_night() -> None:
    before_ms = ms("2027-10-30 22:00")
    found = first_loud_ms(NIGHT, (PARIS,), from_ms=before_ms, until_ms=before_ms + 24 * HOUR_MS)
    assert found is not None
    assert local(found) == "2027-10-31 08:00"
    assert found - before_ms == 11 * HOUR_MS


def test_quiet_hours_that_end_in_the_hour_that_comes_twice() -> None:
    quiet = Quiet(22, 2)
    before_ms = ms("2027-10-30 23:00")
    found = first_loud_ms(quiet, (PARIS,), from_ms=before_ms, until_ms=before_ms + 24 * HOUR_MS)
    assert found is not None
    assert local(found) == "2027-10-31 02:00"


ZONES = st.lists(
    st.sampled_from(
        ["Europe/Paris", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Kiritimati"]
    ).map(ZoneInfo),
    min_size=1,
    max_size=3,
    unique=True,
).map(tuple)
HOURS = st.builds(Quiet, st.integers(0, 23), st.integers(0, 23))
MOMENTS = st.integers(1_767_225_600, 1_893_456_000).map(lambda at_s: at_s * 1000)


@given(quiet=HOURS, where=ZONES, from_ms=MOMENTS, hours=st.integers(0, 72))
def test_the_first_moment_that_is_quiet_nowhere(
    quiet: Quiet, where: tuple[ZoneInfo, ...], from_ms: int, hours: int
) -> None:
    until_ms = from_ms + hours * HOUR_MS
    found = first_loud_ms(quiet, where, from_ms=from_ms, until_ms=until_ms)
    minutes = range(0, hours * 60 + 1, 15)
    loud = [
        from_ms + minute * 60_000
        for minute in minutes
        if not is_quiet(quiet, where, from_ms + minute * 60_000)
    ]
    if found is None:
        assert not loud
    else:
        assert from_ms <= found <= until_ms
        assert not is_quiet(quiet, where, found)
        assert not loud or found <= loud[0]


@given(lead_s=st.sampled_from([DAY_S, HOUR_S, TEN_MIN_S]), starts_at_ms=MOMENTS, late_s=st.integers(0, DAY_S))
def test_what_is_sent_wakes_nobody_and_is_of_use(lead_s: int, starts_at_ms: int, late_s: int) -> None:
    known = Facts(lead_s, starts_at_ms, "booked", starts_at_ms, True, False, "+33612345678", "FR", None)
    now_ms = starts_at_ms - lead_s * 1000 + late_s * 1000
    told = decide(known, NIGHT, now_ms=now_ms)
    if isinstance(told, Wait):
        assert now_ms < told.until_ms <= latest_ms(starts_at_ms, lead_s)
        assert isinstance(decide(known, NIGHT, now_ms=told.until_ms), Send)
    if isinstance(told, Send):
        hour = (datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(PARIS)).hour
        assert 8 <= hour < 21
        assert now_ms < starts_at_ms - timedelta(minutes=4).total_seconds() * 1000
