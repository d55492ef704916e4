"""How often something may be done: token buckets, as arithmetic.

A bucket is one number: the moment (in milliseconds of the caller's clock) when it will be full again.
Taking a token moves that moment into the future by the time one token needs to grow back; more than a
whole burst into the future is not allowed. An empty history is any moment in the past, so a bucket that
is full again can simply be forgotten. (This is the generic cell rate algorithm.)
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` in the long run, `burst` (at least 1) at once."""

    per_s: float
    burst: int

    def __post_init__(self) -> None:
        if not (self.per_s > 0 and math.isfinite(self.per_s) and self.burst >= 1):
            raise ValueError("a rate needs per_s > 0 and burst >= 1")

    @property
    def token_ms(self) -> float:
        """How long one token needs to grow back."""
        return 1000.0 / self.per_s


FULL = 0.0
"""A bucket from which nothing was ever taken."""


def take(full_at_ms: float, rate: Rate, *, now_ms: float, cost: int = 1) -> tuple[float, int]:
    """Take `cost` tokens: the bucket afterwards, and 0, or, unchanged, how many ms to wait (at least 1)."""
    token_ms = rate.token_ms
    after_ms = max(full_at_ms, now_ms) + cost * token_ms
    excess_ms = after_ms - now_ms - rate.burst * token_ms
    # A float's last digit must not cost anybody a token.
    if excess_ms <= 1e-6:
        return after_ms, 0
    return full_at_ms, max(1, math.ceil(excess_ms))
