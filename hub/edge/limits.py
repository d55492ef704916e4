"""Limits kept in this process, and every number of the edge in one place.

What must hold across hubs is counted in Redis, elsewhere; these limits protect one process and cost no
trip anywhere.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rooms.limits import FULL, Rate, take

KEYS_MAX = 50_000
"""Enough for every address of a full hub; beyond it, the bucket that was touched longest ago is forgotten."""


EVENTS = Rate(per_s=50, burst=200)
REFUSALS = Rate(per_s=50, burst=5_000)
CONNECTS = Rate(per_s=10 / 60, burst=10)


@dataclass(frozen=True, slots=True)
class Numbers:
    """The edge's settings. Rates, bounds and times; `None` for a rate lifts that limit."""

    frame_max_bytes: int = 16 * 1024
    ping_interval_s: float = 5.0
    ping_timeout_s: float = 5.0
    authenticate_within_s: float = 5.0
    refused_linger_s: float = 1.0
    """How long a refused client may take to close by itself before it is reaped."""
    handler_limit_s: float = 10.0
    write_buffer_max_bytes: int = 1024 * 1024
    events_waiting_max: int = 64
    events: Rate = EVENTS
    refusals: Rate = REFUSALS
    """Refused events that a socket may cause before it counts as a flood and is closed."""
    connects: Rate | None = CONNECTS
    """Per address."""
    sockets_per_user: int = 5
    sockets_max: int = 20_000
    unauthenticated_max: int = 2_000
    expiring_notice_s: int = 60


class Limits:
    """One token bucket per key, at most `keys_max` of them. `clock_ms` is monotonic milliseconds."""

    def __init__(self, rate: Rate, *, clock_ms: Callable[[], float], keys_max: int = KEYS_MAX) -> None:
        self._rate = rate
        self._clock_ms = clock_ms
        self._keys_max = keys_max
        # Kept in the order of the last taking: the front is who was quiet longest.
        self._full_at_ms: dict[str, float] = {}

    def take(self, key: str, cost: int = 1) -> int:
        """0 if `key` may go on, else how many milliseconds it must wait."""
        now_ms = self._clock_ms()
        bucket = self._full_at_ms.pop(key, FULL)
        bucket, wait_ms = take(bucket, self._rate, now_ms=now_ms, cost=cost)
        self._full_at_ms[key] = bucket
        self._forget(now_ms)
        return wait_ms

    def __len__(self) -> int:
        return len(self._full_at_ms)

    def _forget(self, now_ms: float) -> None:
        """Drop what is full again from the front, two at most a call, and more only above the bound."""
        for _ in range(2):
            oldest = next(iter(self._full_at_ms))
            if self._full_at_ms[oldest] > now_ms and len(self._full_at_ms) <= self._keys_max:
                return
            del self._full_at_ms[oldest]
            if not self._full_at_ms:
                return
