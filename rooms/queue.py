"""The moderators' queue: which case comes first, and who may take it.

Every case has a time by which somebody should have looked at it, and the queue is in the order of these
times. So nothing has to be computed anew while cases age: what is grave waits shorter, and what is old has
waited already. Signs of danger to somebody's life stand before all else.
"""

from collections.abc import Collection
from typing import Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from rooms.errors import RoomError
from rooms.ids import UserId

Severity = Literal["low", "medium", "high", "critical"]
FlagStatus = Literal["open", "claimed", "resolved", "dismissed"]

DISTRESS: Final = "distress"
MINOR: Final = "minor"

PATIENCE_MS: Final[dict[Severity, int]] = {
    "critical": 0,
    "high": 5 * 60_000,
    "medium": 30 * 60_000,
    "low": 4 * 3_600_000,
}
"""How long a case of each severity may wait."""

RANKS: Final[dict[Severity, int]] = {"low": 0, "medium": 1, "high": 2, "critical": 3}

DOUBT: Final = 2.0
"""How many decided reports a stranger's word is worth: one half of them upheld."""


class OwnCase(RoomError):
    """You are part of this case; another moderator has to look at it."""

    code = "forbidden"


class Taken(RoomError):
    """Another moderator has claimed this case."""

    code = "conflict"


class Stale(RoomError):
    """The case has changed since you last saw it."""

    code = "conflict"


class Closed(RoomError):
    """The case is decided already."""

    code = "conflict"


class Claim(Struct, frozen=True):
    """Where a case stands between moderators. `until_ms` is when a claim that nobody renews is over."""

    version: int
    status: FlagStatus
    by: UserId | None = None
    until_ms: int | None = None

    def held(self, now_ms: int) -> bool:
        """Whether somebody has it, and still has it."""
        return self.status == "claimed" and self.until_ms is not None and self.until_ms > now_ms


def graver(one: Severity, other: Severity) -> Severity:
    """The graver of two."""
    return max(one, other, key=RANKS.__getitem__)


def accuracy(*, upheld: int, decided: int) -> float:
    """What somebody's report is worth, 0 to 1: the share of theirs that were upheld, smoothed towards a half
    so that a first report counts neither fully nor for nothing.
    """
    return (upheld + DOUBT / 2) / (decided + DOUBT)


def due_by_ms(severity: Severity, *, created_at_ms: int, accuracies: Collection[float] = ()) -> int:
    """By when somebody should have looked, Unix milliseconds. Each report shortens the wait by its worth."""
    return created_at_ms + round(PATIENCE_MS[severity] / (1.0 + sum(accuracies)))


def require_foreign(concerned: Collection[UserId], who: UserId) -> None:
    """Nobody looks into a case of their own. Raises OwnCase."""
    if who in concerned:
        raise OwnCase


def claim(now: Claim, who: UserId, *, version: int, lease_ms: int, now_ms: int) -> Claim:
    """The case, taken by `who` for a while. Taking what one has renews it, and is repeatable.

    `version` is the one that they saw. Raises Closed, Taken or Stale.
    """
    if now.status in ("resolved", "dismissed"):
        raise Closed
    until_ms = now_ms + lease_ms
    if now.held(now_ms):
        if now.by != who:
            raise Taken
        # Their own claim raised the version: the one before is what a repeated request names.
        if version not in (now.version, now.version - 1):
            raise Stale
        return replace(now, until_ms=max(until_ms, now.until_ms or 0))
    if version != now.version:
        raise Stale
    return Claim(now.version + 1, "claimed", who, until_ms)
