"""When a reminder of a booked session is sent, and when it never is. Pure rules; times are Unix milliseconds.

A reminder has a lead: so long before the start it falls due. It may be late, by half its lead at most, as
long as it is of use. Quiet hours are kept wherever its recipient may be: what falls into them waits for their
end, and if that is too late it is left out. So a day's notice comes in the morning instead, the hour's notice
of a session at 8:30 at 8:00, and the ten minutes' notice of one at 8:00 not at all: nobody is woken.
"""

from datetime import datetime, timedelta
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct

from rooms import zones

Reason = Literal[
    "cancelled",
    "moved",
    "begun",
    "barred",
    "no_consent",
    "no_number",
    "not_mobile",
    "no_zone",
    "quiet",
    "late",
]
EXPIRED: Final[frozenset[Reason]] = frozenset({"late"})
"""Why it was left out because its time was over; everything else suppressed it."""
STEP: Final = timedelta(minutes=15)


class Quiet(NamedTuple):
    """The hours of the local day in which nobody is texted: from the first, until the second."""

    from_hour: int
    to_hour: int

    def has(self, hour: int) -> bool:
        """Whether this hour belongs to them. The same hour twice: none does."""
        if self.from_hour <= self.to_hour:
            return self.from_hour <= hour < self.to_hour
        return hour >= self.from_hour or hour < self.to_hour


class Facts(Struct, frozen=True):
    """What is known when a reminder is due. `barred`: suspended, or about to be removed.

    `booking_state` and `booking_starts_at_ms` are those of the booking now, `starts_at_ms` is the start that
    this reminder is about.
    """

    lead_s: int
    starts_at_ms: int
    booking_state: str
    booking_starts_at_ms: int
    consents: bool
    barred: bool
    phone: str | None
    country: str | None
    zone: str | None


class Send(Struct, frozen=True):
    """It can be sent now, to this number in E.164. `zones`: where its owner's clock may be."""

    number: str
    prefix: str
    zones: tuple[ZoneInfo, ...]


class Wait(Struct, frozen=True):
    """Not before this moment."""

    until_ms: int


class Never(Struct, frozen=True):
    """It is left out."""

    reason: Reason


def latest_ms(starts_at_ms: int, lead_s: int) -> int:
    """Until when a reminder is of use."""
    return starts_at_ms - lead_s * 500


def decide(facts: Facts, quiet: Quiet, *, now_ms: int) -> Send | Wait | Never:
    """What is to be done about a reminder that has fallen due."""
    reason = _in_vain(facts, now_ms)
    if reason is not None:
        return Never(reason)
    number = zones.mobile(facts.phone)
    if number is None or facts.phone is None:
        return Never("no_number" if facts.phone is None else "not_mobile")
    where = zones.zones(number, country=facts.country, declared=facts.zone)
    if not where:
        return Never("no_zone")
    last_ms = latest_ms(facts.starts_at_ms, facts.lead_s)
    if now_ms > last_ms:
        return Never("late")
    at_ms = first_loud_ms(quiet, where, from_ms=now_ms, until_ms=last_ms)
    if at_ms is None:
        return Never("quiet")
    return Send(facts.phone, zones.prefix(number), where) if at_ms <= now_ms else Wait(at_ms)


def _in_vain(facts: Facts, now_ms: int) -> Reason | None:
    if facts.booking_state not in ("booked", "started"):
        return "cancelled" if facts.booking_state != "done" else "begun"
    if facts.booking_starts_at_ms != facts.starts_at_ms:
        return "moved"
    if facts.booking_state == "started" or now_ms >= facts.starts_at_ms:
        return "begun"
    if facts.barred:
        return "barred"
    return None if facts.consents else "no_consent"


def is_quiet(quiet: Quiet, where: tuple[ZoneInfo, ...], at_ms: int) -> bool:
    """Whether it is a quiet hour in any of these zones."""
    return any(quiet.has(_local(zone, at_ms).hour) for zone in where)


def first_loud_ms(quiet: Quiet, where: tuple[ZoneInfo, ...], *, from_ms: int, until_ms: int) -> int | None:
    """The first moment that is quiet nowhere, from `from_ms` to `until_ms`; None when there is none."""
    at_ms = from_ms
    while at_ms <= until_ms:
        ends = [_end_ms(quiet, zone, at_ms) for zone in where if quiet.has(_local(zone, at_ms).hour)]
        if not ends:
            return at_ms
        at_ms = max(ends)
    return None


def _end_ms(quiet: Quiet, zone: ZoneInfo, at_ms: int) -> int:
    """When the quiet hours end that are now in this zone; always later than now."""
    now = _local(zone, at_ms)
    end = now.replace(hour=quiet.to_hour, minute=0, second=0, microsecond=0, fold=0)
    if end <= now:
        end += timedelta(days=1)
    end_ms = int(end.timestamp() * 1000)
    # Where clocks are put back the hour may come twice, and must have passed both times.
    return end_ms if end_ms > at_ms else at_ms + int(STEP.total_seconds() * 1000)


def _local(zone: ZoneInfo, at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, zone)
