"""The store's time, told by a process's own clock: never later than the truth."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from store.redis.clock import KEPT, StoreClock
from store.redis.hubs import Hubs
from tests.integration.redis.scene import HUB, rooms_of

# A reading is made at some moment of the store, and its answer arrives a while later.
READINGS = st.lists(st.tuples(st.floats(0, 10_000), st.floats(0, 5)), min_size=1, max_size=KEPT)


@given(readings=READINGS, offset_s=st.floats(-1e6, 1e6), later_s=st.floats(0, 100))
def test_it_is_a_lower_bound_and_no_worse_than_the_quickest_answer(
    readings: list[tuple[float, float]], offset_s: float, later_s: float
) -> None:
    clock = StoreClock()
    for moment_s, under_way_s in readings:
        now_ms = int((moment_s + offset_s + 2e9) * 1000)
        clock.read(now_ms, arrived_s=moment_s + under_way_s)
    moment_s = max(moment + way for moment, way in readings) + later_s
    truth_ms = (moment_s + offset_s + 2e9) * 1000
    told_ms = clock.at_ms(moment_s)
    # A millisecond is lost to the store's own rounding, another to ours.
    quickest_ms = min(way for _, way in readings) * 1000
    assert truth_ms - quickest_ms - 2.1 <= told_ms <= truth_ms + 0.1


def test_a_clock_that_was_never_read_tells_nothing() -> None:
    with pytest.raises(LookupError):
        StoreClock().at_ms(1.0)


def test_old_readings_are_forgotten_so_that_a_drifting_clock_is_followed() -> None:
    clock = StoreClock()
    clock.read(10_000, arrived_s=0.0)
    for n in range(KEPT):
        clock.read(5_000 + n, arrived_s=n / 1000)
    assert clock.at_ms(0.0) == 5_000


async def test_on_a_real_store_it_is_never_ahead(redis: Redis) -> None:
    clock, hubs, rooms = StoreClock(), Hubs(redis), rooms_of(redis)
    for _ in range(200):
        beat = await hubs.beat(HUB, {})
        clock.read(beat.now_ms, arrived_s=time.monotonic())
        told_ms = clock.at_ms(time.monotonic())
        assert beat.now_ms <= told_ms + 1
        assert told_ms <= await rooms.now_ms()
