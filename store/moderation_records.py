"""Records of the moderators' work, as values. Times are Unix milliseconds."""

from typing import Any, Literal

from msgspec import Struct

from rooms.ids import SessionId, UserId
from rooms.moderation import Reason
from rooms.queue import Claim, FlagStatus, Severity

Verdict = Literal["flag", "hold", "block"]
Source = Literal["rule", "report", "fraud"]
ActionName = Literal[
    "dismiss", "warn", "mute", "unmute", "remove", "end", "suspend", "release", "reject", "overrule"
]
AppealStatus = Literal["open", "upheld", "overruled"]


class Flag(Struct, frozen=True):
    """A case. `user_id` is whom it is about; `concerned` everyone who may not look into it.

    With a `review_id` it is about their words in that review, and `message_id` is one wording of them.
    """

    id: str
    version: int
    session_id: SessionId
    message_id: str | None
    seq: int | None
    user_id: UserId
    category: str
    severity: Severity
    rule: str
    rule_version: str
    verdict: Verdict
    source: Source
    span_start: int | None
    span_end: int | None
    status: FlagStatus
    claimed_by: UserId | None
    claimed_until_ms: int | None
    first_claimed_at_ms: int | None
    reports: int
    due_by_ms: int
    resolution: str | None
    resolved_by: UserId | None
    resolved_at_ms: int | None
    created_at_ms: int
    updated_at_ms: int
    concerned: list[UserId]
    review_id: str | None = None

    @property
    def claim(self) -> Claim:
        """Where it stands between moderators."""
        return Claim(self.version, self.status, self.claimed_by, self.claimed_until_ms)


class NewFlag(Struct, frozen=True):
    """A case as it is first raised."""

    id: str
    session_id: SessionId
    message_id: str | None
    seq: int | None
    user_id: UserId
    category: str
    severity: Severity
    rule: str
    rule_version: str
    verdict: Verdict
    source: Source
    span_start: int | None
    span_end: int | None
    reports: int
    due_by_ms: int
    created_at_ms: int
    review_id: str | None = None


class Action(Struct, frozen=True):
    """Something that was done. `note` is sealed under a key of its own, named by the action's id."""

    id: str
    flag_id: str | None
    session_id: SessionId
    actor_id: UserId
    user_id: UserId | None
    action: ActionName
    reason: Reason
    note: bytes
    duration_s: int | None
    until_ms: int | None
    before: dict[str, Any]
    after: dict[str, Any]
    undoes: str | None
    request_id: str | None
    created_at_ms: int


class OwnAction(Struct, frozen=True):
    """A decision about a person, as they may see it."""

    id: str
    session_id: SessionId
    action: ActionName
    reason: Reason
    until_ms: int | None
    created_at_ms: int
    undone: bool


class Suspension(Struct, frozen=True):
    """A person may not connect. `until_ms` None: until it is lifted."""

    action_id: str
    user_id: UserId
    reason: Literal["conduct", "minor"]
    from_ms: int
    until_ms: int | None
    lifted_at_ms: int | None


class Appeal(Struct, frozen=True):
    """What somebody says against a decision. `text` is sealed under their key, `note` under the appeal's."""

    id: str
    action_id: str
    user_id: UserId
    text: bytes
    status: AppealStatus
    decided_by: UserId | None
    decided_at_ms: int | None
    note: bytes | None
    created_at_ms: int


class OwnAppeal(Struct, frozen=True):
    """An appeal as the person who made it sees it."""

    id: str
    action_id: str
    user_id: UserId
    text: bytes
    status: AppealStatus
    decided_at_ms: int | None
    created_at_ms: int


class QueueFigures(Struct, frozen=True):
    """How the queue stands. `oldest_at_ms` is when the oldest case nobody has decided was raised."""

    waiting: int
    oldest_at_ms: int | None


class Word(Struct, frozen=True):
    """How many of a person's reports are decided, and how many of these were upheld."""

    reporter_id: UserId
    decided: int
    upheld: int
