from typing import Any

import pytest

from config.settings import load
from hub.settings_view import edge_numbers
from rooms.limits import FULL, take
from tests.unit.config.test_settings import GOOD


@pytest.mark.parametrize("lifted", ["EVENTS_PER_SECOND", "EVENTS_BURST"])
def test_a_limit_of_nought_is_lifted(lifted: str) -> None:
    numbers = edge_numbers(load({**GOOD, lifted: "0"}))
    bucket: Any = FULL
    for _ in range(10_000):
        bucket, wait_ms = take(bucket, numbers.events, now_ms=0)
        assert wait_ms == 0
