"""Who may speak, and how much at once. The order of messages is made by the store as it takes them."""

from typing import Literal

from rooms.ids import UserId
from rooms.room import OPEN, Room
from rooms.safety.verdict import SEVERITIES, Category, Finding, Severity, Verdict

Status = Literal["sent", "held", "blocked"]
"""What became of a message."""

Voice = Literal["open", "muted"]

TEXT_MAX = 2_000
"""Characters in one message, in normal form C, which everything has by the time it is decoded."""


def outcome(verdict: Verdict) -> Status:
    """What becomes of a message by its verdict. What was found for its distress is never held back."""
    if verdict.finding is None or verdict.finding.category is Category.DISTRESS:
        return "sent"
    if verdict.action == "block":
        return "blocked"
    return "held" if verdict.action == "hold" else "sent"


def needs_help(category: Category, severity: Severity) -> bool:
    """Whether somebody may be in danger now. What they tell of earlier days is looked at, and no alarm."""
    return category is Category.DISTRESS and severity in ("high", "critical")


def in_distress(verdict: Verdict) -> bool:
    """Whether the sender may be in danger, whatever else was found."""
    return any(needs_help(finding.category, finding.severity) for finding in _found(verdict))


def flagged_for(verdict: Verdict) -> Finding | None:
    """What somebody has to look at: distress before all else, then hints of a minor, then what decided. Of
    several of a kind the gravest.
    """
    for category in (Category.DISTRESS, Category.MINOR):
        found = [finding for finding in _found(verdict) if finding.category is category]
        if found:
            return max(found, key=lambda finding: SEVERITIES.index(finding.severity))
    return verdict.finding


def _found(verdict: Verdict) -> tuple[Finding, ...]:
    return (*(() if verdict.finding is None else (verdict.finding,)), *verdict.also)


def voices(room: Room) -> dict[UserId, Voice]:
    """Everyone who is in the room and whether they may speak. Empty when the room is not open."""
    if room.state not in OPEN:
        return {}
    return {person.user_id: "muted" if person.muted else "open" for person in room.people if person.present}
