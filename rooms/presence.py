"""Presence as proof: spans of time in which a socket was heard, and the arithmetic over them.

A span is half open, `[from_ms, to_ms)`, in Redis time. A *presence* is a tuple of spans that is
ordered, disjoint and without empty members; every function here takes and gives that form.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Span(NamedTuple):
    """A stretch of time, `from_ms` inclusive to `to_ms` exclusive, Unix milliseconds."""

    from_ms: int
    to_ms: int

    @property
    def length_ms(self) -> int:
        """How long the span lasts."""
        return self.to_ms - self.from_ms


Spans = tuple[Span, ...]


def union(spans: Iterable[Span]) -> Spans:
    """Everything that any of the spans covers."""
    merged: list[Span] = []
    for span in sorted(span for span in spans if span.to_ms > span.from_ms):
        if merged and span.from_ms <= merged[-1].to_ms:
            merged[-1] = Span(merged[-1].from_ms, max(merged[-1].to_ms, span.to_ms))
        else:
            merged.append(Span(*span))
    return tuple(merged)


def intersection(left: Spans, right: Spans) -> Spans:
    """Everything that both presences cover."""
    common: list[Span] = []
    i = j = 0
    while i < len(left) and j < len(right):
        start = max(left[i].from_ms, right[j].from_ms)
        stop = min(left[i].to_ms, right[j].to_ms)
        if stop > start:
            common.append(Span(start, stop))
        if left[i].to_ms < right[j].to_ms:
            i += 1
        else:
            j += 1
    return tuple(common)


def within(spans: Spans, from_ms: int, to_ms: int) -> Spans:
    """The part of a presence that lies in the window."""
    return intersection(spans, (Span(from_ms, to_ms),)) if to_ms > from_ms else ()


def first(spans: Spans, limit_ms: int) -> Spans:
    """The earliest `limit_ms` milliseconds of a presence."""
    kept: list[Span] = []
    left_ms = limit_ms
    for span in spans:
        if left_ms <= 0:
            break
        kept.append(Span(span.from_ms, min(span.to_ms, span.from_ms + left_ms)))
        left_ms -= span.length_ms
    return tuple(kept)


def total_ms(spans: Spans) -> int:
    """How long a presence lasts, all spans together."""
    return sum(span.length_ms for span in spans)
