"""Span arithmetic, compared with sets of milliseconds: slower, and too simple to be wrong."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rooms.presence import Span, Spans, first, intersection, total_ms, union, within

EDGES = st.integers(0, 40)
# Short ones, some of them empty or backwards, so that several stay apart.
LENGTHS = st.integers(-2, 7)
RAW = st.lists(st.tuples(EDGES, LENGTHS).map(lambda span: Span(span[0], sum(span))), max_size=8)
PRESENCES = RAW.map(union)


def moments(spans: Spans | list[Span]) -> set[int]:
    return {ms for span in spans for ms in range(span.from_ms, span.to_ms)}


def assert_normal(spans: Spans) -> None:
    assert all(span.to_ms > span.from_ms for span in spans)
    assert all(left.to_ms <= right.from_ms for left, right in pairwise(spans))


@given(RAW)
def test_union_covers_what_any_span_covers(raw: list[Span]) -> None:
    assert moments(union(raw)) == moments(raw)
    assert_normal(union(raw))


@given(RAW)
def test_union_is_the_shortest_form_whatever_the_order(raw: list[Span]) -> None:
    spans = union(raw)
    assert spans == union(reversed(raw)) == union(spans)
    assert all(left.to_ms < right.from_ms for left, right in pairwise(spans))


@given(PRESENCES, PRESENCES)
def test_intersection_is_what_both_cover(left: Spans, right: Spans) -> None:
    common = intersection(left, right)
    assert moments(common) == moments(left) & moments(right)
    assert_normal(common)
    assert common == intersection(right, left)


@given(PRESENCES, EDGES, EDGES)
def test_within_keeps_the_window(spans: Spans, from_ms: int, to_ms: int) -> None:
    kept = within(spans, from_ms, to_ms)
    assert moments(kept) == moments(spans) & set(range(from_ms, to_ms))
    assert_normal(kept)


@given(PRESENCES, st.integers(-5, 60))
def test_first_keeps_the_earliest(spans: Spans, limit_ms: int) -> None:
    kept = first(spans, limit_ms)
    assert moments(kept) == set(sorted(moments(spans))[: max(limit_ms, 0)])
    assert_normal(kept)


@given(PRESENCES)
def test_total_counts_each_millisecond_once(spans: Spans) -> None:
    assert total_ms(spans) == len(moments(spans))


def test_first_goes_on_in_the_next_span() -> None:
    assert first((Span(1, 4), Span(10, 20)), 5) == (Span(1, 4), Span(10, 12))


def test_touching_spans_become_one() -> None:
    assert union([Span(5, 9), Span(1, 5)]) == (Span(1, 9),)


def test_a_span_within_another_does_not_cut_it_short() -> None:
    assert union([Span(1, 9), Span(2, 3)]) == (Span(1, 9),)


def test_the_end_of_a_span_is_not_in_it() -> None:
    assert intersection((Span(1, 5),), (Span(5, 9),)) == ()
    assert Span(1, 5).length_ms == 4


def test_nothing_has_no_length() -> None:
    assert union([Span(3, 3), Span(4, 2)]) == ()
    assert within((Span(1, 9),), 5, 5) == ()
    assert first((Span(1, 9),), 0) == ()
    assert total_ms(()) == 0
