"""Which bytes a request gets: those that it asks for, and never more because it asks oddly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.ranges import Span, Unsatisfiable, wanted

ALL = Span(0, 100, partial=False)


@pytest.mark.parametrize(
    ("asked", "span"),
    [
        (None, ALL),
        ("bytes=0-", Span(0, 100, partial=True)),
        ("bytes=0-0", Span(0, 1, partial=True)),
        ("bytes=10-19", Span(10, 20, partial=True)),
        ("bytes=99-", Span(99, 100, partial=True)),
        ("bytes=90-1000", Span(90, 100, partial=True)),
        ("bytes=0-99999999999999999999", Span(0, 100, partial=True)),
        ("bytes=-1", Span(99, 100, partial=True)),
        ("bytes=-100", Span(0, 100, partial=True)),
        ("bytes=-5000", Span(0, 100, partial=True)),
        # Nothing that can be read: all of it.
        ("bytes=5-2", ALL),
        ("bytes=-", ALL),
        ("bytes=--5", ALL),
        ("bytes=a-b", ALL),
        ("bytes=1-2,3-4", ALL),
        ("bytes=" + ",".join(["0-"] * 1_000), ALL),
        ("lines=1-2", ALL),
        ("bytes=0x1-2", ALL),
        ("bytes=\u0661-", ALL),
        ("bytes=" + "9" * 5_000 + "-", ALL),
        ("", ALL),
    ],
)
def test_a_range(asked: str | None, span: Span) -> None:
    assert wanted(asked, None, etag='"x"', size_bytes=100) == span


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=100-200", "bytes=99999999999999999999-", "bytes=-0"])
def test_a_range_that_is_not_there(asked: str) -> None:
    with pytest.raises(Unsatisfiable):
        wanted(asked, None, etag='"x"', size_bytes=100)


def test_a_range_of_another_version_is_all_of_this_one() -> None:
    assert wanted("bytes=5-", '"x"', etag='"x"', size_bytes=100).start == 5
    for other in ('"y"', 'W/"x"', "Tue, 24 Nov 2026 00:00:00 GMT", ""):
        assert wanted("bytes=5-", other, etag='"x"', size_bytes=100) == ALL


@given(st.text(max_size=30), st.integers(1, 10**12))
def test_whatever_is_asked_stays_within(asked: str, size: int) -> None:
    for text in (asked, f"bytes={asked}"):
        try:
            span = wanted(text, None, etag='"x"', size_bytes=size)
        except Unsatisfiable:
            continue
        assert 0 <= span.start < span.end <= size
