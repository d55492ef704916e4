import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms.limits import FULL, Rate, take

CHAT = Rate(per_s=5, burst=10)


def test_a_burst_passes_and_the_next_one_waits_for_one_token() -> None:
    bucket = FULL
    for _ in range(10):
        bucket, wait_ms = take(bucket, CHAT, now_ms=1_000)
        assert wait_ms == 0
    unchanged, wait_ms = take(bucket, CHAT, now_ms=1_000)
    assert (unchanged, wait_ms) == (bucket, 200)


def test_who_waits_as_told_gets_through() -> None:
    bucket = FULL
    for _ in range(10):
        bucket, _wait = take(bucket, CHAT, now_ms=0)
    _, wait_ms = take(bucket, CHAT, now_ms=0)
    _, again_ms = take(bucket, CHAT, now_ms=wait_ms)
    assert again_ms == 0


def test_a_bucket_is_full_again_after_a_while_and_never_more_than_full() -> None:
    bucket = FULL
    for _ in range(10):
        bucket, _wait = take(bucket, CHAT, now_ms=0)
    passed = 0
    for _ in range(30):
        bucket, wait_ms = take(bucket, CHAT, now_ms=3_600_000)
        passed += wait_ms == 0
    assert passed == 10


@pytest.mark.parametrize("bad", [(0, 1), (-1, 1), (1, 0), (math.inf, 1), (math.nan, 1)])
def test_a_rate_that_means_nothing_is_refused(bad: tuple[float, int]) -> None:
    with pytest.raises(ValueError, match="rate"):
        Rate(*bad)


@given(
    st.floats(0.1, 100),
    st.integers(1, 50),
    st.lists(st.integers(0, 5_000), max_size=80),
)
def test_never_more_than_burst_plus_what_grew_back(per_s: float, burst: int, gaps_ms: list[int]) -> None:
    rate, bucket, now_ms = Rate(per_s, burst), FULL, 1_000.0
    passed_at: list[float] = []
    for gap_ms in gaps_ms:
        now_ms += gap_ms
        bucket, wait_ms = take(bucket, rate, now_ms=now_ms)
        if wait_ms == 0:
            passed_at.append(now_ms)
    for first, start_ms in enumerate(passed_at):
        for last in range(first, len(passed_at)):
            allowed = burst + (passed_at[last] - start_ms) / rate.token_ms
            assert last - first + 1 <= allowed + 1e-3
