"""What may be counted about the use of the hub: a closed list of events, each with closed properties.

No property takes free text, and device and system are as coarse as they can be, so that a row says nothing
about anybody.
"""

from collections.abc import Mapping
from typing import Final

DEVICES: Final = ("desktop", "phone", "tablet", "other")
SYSTEMS: Final = ("android", "ios", "linux", "macos", "windows", "other")
SYSTEM_VERSION_MAX: Final = 99
"""The first number of a system's version, and no more of it."""
PAGES: Final = ("directory", "practitioner", "session", "receipt", "profile", "earnings", "other")
QUALITIES: Final = ("good", "fair", "poor")

DAY_MS: Final = 86_400_000
WEEK_MS: Final = 7 * DAY_MS
MONDAY_MS: Final = 4 * DAY_MS
"""The first Monday of Unix time."""

Allowed = tuple[str, ...] | range

COMMON: Final[Mapping[str, Allowed]] = {
    "device": DEVICES,
    "os": SYSTEMS,
    "os_major": range(SYSTEM_VERSION_MAX + 1),
}
EVENTS: Final[Mapping[str, Mapping[str, Allowed]]] = {
    "app_opened": COMMON,
    "page_viewed": {**COMMON, "page": PAGES},
    "practitioner_viewed": COMMON,
    "session_requested": COMMON,
    "session_joined": COMMON,
    "call_quality": {**COMMON, "quality": QUALITIES},
}
"""Each event, and what each of its properties may be. All properties may be left out."""

COHORT_MIN: Final = 10
"""What fewer people did in a week is told to nobody."""


class UnfitEvent(ValueError):
    """Not an event of the list. `field` names what is wrong."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def check(name: str, props: Mapping[str, object]) -> None:
    """Raises UnfitEvent unless this is an event of the list with properties of its own."""
    allowed = EVENTS.get(name)
    if allowed is None:
        raise UnfitEvent("name", "no such event")
    for prop, value in props.items():
        values = allowed.get(prop)
        if values is None:
            # What is unknown is not repeated: it may be anything that somebody wrote.
            raise UnfitEvent("props", "has an unknown property")
        if type(value) is not (int if isinstance(values, range) else str) or value not in values:
            raise UnfitEvent(f"props.{prop}", "not one of its values")


def week(at_ms: int) -> int:
    """The number of the week, from Monday, that a moment belongs to. It is all that is kept of the time."""
    return (at_ms - MONDAY_MS) // WEEK_MS


def week_from_ms(number: int) -> int:
    """When a week begins."""
    return MONDAY_MS + number * WEEK_MS
