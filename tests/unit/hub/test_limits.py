from hub.edge.limits import Limits
from rooms.limits import Rate


class Clock:
    def __init__(self) -> None:
        self.ms = 0.0

    def __call__(self) -> float:
        return self.ms


def test_keys_are_limited_apart() -> None:
    limits = Limits(Rate(1, 1), clock_ms=Clock())
    assert limits.take("a") == 0
    assert limits.take("a") == 1000
    assert limits.take("b") == 0


def test_what_is_full_again_is_forgotten() -> None:
    clock = Clock()
    limits = Limits(Rate(1, 1), clock_ms=clock)
    for key in range(100):
        limits.take(str(key))
    clock.ms = 10_000
    for _ in range(60):
        limits.take("again")
    assert len(limits) == 1


def test_however_many_keys_there_are_the_memory_is_bounded_and_the_busy_stay_limited() -> None:
    limits = Limits(Rate(0.001, 1), clock_ms=Clock(), keys_max=10)
    limits.take("busy")
    for key in range(1000):
        limits.take(str(key))
        assert limits.take("busy") > 0
        assert len(limits) <= 11
