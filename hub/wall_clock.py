"""The wall clock, for what has to agree with the outside world: tokens, Stripe, the record. Presence never
uses it: that is the store's time.
"""

import time


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def now_s() -> float:
    """Unix seconds."""
    return time.time()
