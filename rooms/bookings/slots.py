"""Free starts: the hours that a wall clock shows, put on the one line of time that everybody shares.

Where clocks go forward, the hour that no clock shows has no start. Where they go back, a time that clocks
show twice is a start the first time only; a session may last through both, as the practitioner is there.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from rooms.bookings.hours import STEP_S, Availability, zone
from rooms.presence import Span, Spans, union

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
RANGE_MAX_MS: Final = 62 * DAY_MS
"""How much of the calendar is looked at at once."""
DURATION_MIN_MS: Final = STEP_S * 1000
DURATION_MAX_MS: Final = 8 * HOUR_MS
_EPOCH: Final = date(1970, 1, 1)


class Taken(NamedTuple):
    """A time in which a person is booked, and the pause after it."""

    from_ms: int
    to_ms: int
    buffer_ms: int = 0


class _Piece(NamedTuple):
    """A stretch of time in which the zone's clocks are one and the same offset ahead."""

    from_ms: int
    to_ms: int
    offset_ms: int


def opened(hours: Availability, *, from_ms: int, to_ms: int) -> Spans:
    """The practitioner's open time between two moments, whatever is booked."""
    spans = (
        Span(max(opens, piece.from_ms), min(closes, piece.to_ms))
        for piece in _pieces(zone(hours.zone), from_ms, to_ms)
        for opens, closes in _hours(hours, piece)
        if opens < piece.to_ms and closes > piece.from_ms
    )
    return union(spans)


def starts(hours: Availability, *, from_ms: int, to_ms: int) -> list[int]:
    """The starts in [from_ms, to_ms) that lie on the practitioner's grid, in order."""
    place, step_ms = zone(hours.zone), hours.slot_s * 1000
    found = {
        at_ms
        for piece in _pieces(place, from_ms, to_ms)
        for opens, closes in _hours(hours, piece)
        for at_ms in range(opens, closes, step_ms)
        if piece.from_ms <= at_ms < piece.to_ms and not _again(place, at_ms)
    }
    return sorted(found)


def free(
    hours: Availability,
    taken: Sequence[Taken],
    *,
    from_ms: int,
    to_ms: int,
    duration_ms: int,
    now_ms: int,
) -> list[int]:
    """The starts in [from_ms, to_ms) at which a booking of this length can begin; RANGE_MAX_MS at most."""
    from_ms = max(from_ms, now_ms + hours.notice_s * 1000)
    to_ms = min(to_ms, now_ms + hours.horizon_days * DAY_MS, from_ms + RANGE_MAX_MS)
    if to_ms <= from_ms:
        return []
    spans = opened(hours, from_ms=from_ms, to_ms=to_ms + duration_ms)
    # A start fits while the whole length lies in open hours, and does not while it would meet a booking.
    fits = union(Span(span.from_ms, span.to_ms - duration_ms + 1) for span in spans)
    meets = union(_meets(other, duration_ms + hours.buffer_s * 1000) for other in taken)
    found = starts(hours, from_ms=from_ms, to_ms=to_ms)
    return [at_ms for at_ms in found if _within(fits, at_ms) and not _within(meets, at_ms)]


def is_free(
    hours: Availability, taken: Sequence[Taken], *, at_ms: int, duration_ms: int, now_ms: int
) -> bool:
    """Whether a booking of this length can begin at this very moment."""
    one = free(hours, taken, from_ms=at_ms, to_ms=at_ms + 1, duration_ms=duration_ms, now_ms=now_ms)
    return one == [at_ms]


def is_length(duration_ms: int) -> bool:
    """Whether a booking may last so long."""
    return DURATION_MIN_MS <= duration_ms <= DURATION_MAX_MS and duration_ms % DURATION_MIN_MS == 0


def _meets(other: Taken, lasts_ms: int) -> Span:
    """The starts at which something that lasts so long, pauses included, would meet a booking."""
    return Span(other.from_ms - lasts_ms + 1, other.to_ms + other.buffer_ms)


def _within(spans: Spans, at_ms: int) -> bool:
    place = bisect_right(spans, at_ms, key=_from_ms) - 1
    return place >= 0 and at_ms < spans[place].to_ms


def _from_ms(span: Span) -> int:
    return span.from_ms


def _pieces(place: ZoneInfo, from_ms: int, to_ms: int) -> Iterator[_Piece]:
    """The stretches of one offset each, from which [from_ms, to_ms) is made."""
    marks = [*range(from_ms, to_ms, HOUR_MS), to_ms]
    begun_ms, offset_ms = from_ms, _offset_ms(place, from_ms)
    for before, after in pairwise(marks):
        if _offset_ms(place, after) == offset_ms:
            continue
        turn_ms = _turn_ms(place, before, after)
        yield _Piece(begun_ms, turn_ms, offset_ms)
        begun_ms, offset_ms = turn_ms, _offset_ms(place, after)
    if begun_ms < to_ms:
        yield _Piece(begun_ms, to_ms, offset_ms)


def _turn_ms(place: ZoneInfo, before_ms: int, after_ms: int) -> int:
    """The first moment of the new offset, by halving."""
    old = _offset_ms(place, before_ms)
    while after_ms - before_ms > 1:
        middle = (before_ms + after_ms) // 2
        if _offset_ms(place, middle) == old:
            before_ms = middle
        else:
            after_ms = middle
    return after_ms


def _hours(hours: Availability, piece: _Piece) -> Iterator[tuple[int, int]]:
    """Each stretch of open hours of each day of a piece, as moments by the piece's offset."""
    first = (piece.from_ms + piece.offset_ms) // DAY_MS
    last = (piece.to_ms - 1 + piece.offset_ms) // DAY_MS
    for number in range(first, last + 1):
        midnight_ms = number * DAY_MS - piece.offset_ms
        for one in hours.on(_EPOCH + timedelta(days=number)):
            opens, closes = one.minutes
            yield midnight_ms + opens * MINUTE_MS, midnight_ms + closes * MINUTE_MS


def _offset_ms(place: ZoneInfo, at_ms: int) -> int:
    offset = _at(place, at_ms).utcoffset()
    return 0 if offset is None else int(offset.total_seconds()) * 1000


def _again(place: ZoneInfo, at_ms: int) -> bool:
    """Whether the clocks show this time for the second time."""
    return _at(place, at_ms).fold == 1


def _at(place: ZoneInfo, at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms // 1000, UTC).astimezone(place)
