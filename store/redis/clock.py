"""The store's time, told from a process's own monotonic clock between two readings.

A reading says: the store's time was `now_ms` at some moment before the answer came. Taking the answer's
arrival for that moment gives a lower bound, and the best of several lower bounds is the highest.
"""

from collections import deque

KEPT = 30
"""Readings that count: about half a minute of heartbeats, so that a drifting clock is followed."""


class StoreClock:
    """Lower bounds of the store's time for moments of this process's monotonic clock."""

    def __init__(self) -> None:
        self._offsets_ms: deque[float] = deque(maxlen=KEPT)

    def read(self, now_ms: int, *, arrived_s: float) -> None:
        """Take in a reading: the store's time and the monotonic time at which the answer had arrived."""
        self._offsets_ms.append(now_ms - arrived_s * 1000)

    def at_ms(self, moment_s: float) -> int:
        """The store's time at a monotonic moment, at least. Raises LookupError before the first reading."""
        if not self._offsets_ms:
            raise LookupError("The store's clock was never read.")
        return int(moment_s * 1000 + max(self._offsets_ms))
