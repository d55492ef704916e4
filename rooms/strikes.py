"""What counts against a person, and for how long. It never decides anything: it is shown to whoever does."""

import math
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

POINTS: Final[dict[str, int]] = {"warn": 1, "mute": 1, "remove": 2, "end": 2, "suspend": 3}
"""What each action against a person weighs at first."""

DAY_MS: Final = 86_400_000


class Strike(Struct, frozen=True):
    """One action against a person that was not overruled."""

    points: int
    created_at_ms: int


def weight(strikes: Iterable[Strike], *, half_life_days: int, now_ms: int) -> float:
    """What all strikes still weigh: each counts half as much after every half-life."""
    half_life_ms = half_life_days * DAY_MS
    return sum(
        strike.points * math.pow(0.5, max(0, now_ms - strike.created_at_ms) / half_life_ms)
        for strike in strikes
    )
