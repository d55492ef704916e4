"""The words of moderation: what moderators and hosts ask, and what they are answered and told."""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.wire import Body, FreeText, Handle, Reply, Session, Uuid
from rooms.moderation import Action as ActName
from rooms.moderation import Reason
from rooms.queue import FlagStatus, Severity
from store.moderation_records import ActionName, AppealStatus, Source, Verdict

DURATION_MAX_S = 10 * 365 * 86_400
"""Ten years; what shall last longer is given no duration."""


class Span(Struct, frozen=True):
    """Which characters of the message the rule found, from `start` up to before `end`."""

    start: int
    end: int


class Flag(Struct, frozen=True, omit_defaults=True):
    """A case. `user_id` is whom it is about; `message_id` is null where it is about a person altogether.

    The queue is ordered by `distress`, then by `due_by_ms`: by when somebody should have looked. `strikes` is
    what earlier decisions about the person weigh by now; `suggests` is what that may call for, never more.
    With a `review_id` it is about what they wrote in that review, and `message_id` names the wording.
    """

    id: str
    version: int
    session_id: str
    message_id: str | None
    user_id: str
    category: str
    severity: Severity
    rule: str
    rule_version: str
    status: FlagStatus
    created_at_ms: int
    due_by_ms: int
    verdict: Verdict
    source: Source
    reports: int
    distress: bool
    strikes: float
    updated_at_ms: int
    seq: int | UnsetType = UNSET
    span: Span | UnsetType = UNSET
    suggests: Literal["suspend"] | UnsetType = UNSET
    claimed_by: str | UnsetType = UNSET
    claimed_until_ms: int | UnsetType = UNSET
    resolution: str | UnsetType = UNSET
    resolved_at_ms: int | UnsetType = UNSET
    review_id: str | UnsetType = UNSET


class FlagTold(Struct, frozen=True):
    """`moderation:flag`: a case is new, or has changed."""

    flag: Flag


class FlagsWatched(Reply, frozen=True):
    """The queue at this moment, most pressing first; `moderation:flag` tells what follows."""

    flags: list[Flag]
    cursor: str | None


class ClaimFlag(Body, frozen=True):
    """`moderation:claim`. `version` is the one that the moderator saw."""

    flag_id: Uuid
    version: Annotated[int, Meta(ge=1, le=1_000_000_000)]


class Claimed(Reply, frozen=True):
    """The case, claimed until `claimed_until_ms` unless it is renewed."""

    flag: Flag


class Act(Body, frozen=True):
    """`moderation:act`. `user_id` is the person at fault. With a `request_id` it may be repeated safely."""

    session_id: Uuid
    action: ActName
    note: FreeText
    flag_id: Uuid | None = None
    user_id: Uuid | None = None
    duration_s: Annotated[int, Meta(ge=1, le=DURATION_MAX_S)] | None = None
    request_id: Handle | None = None


class Acted(Reply, frozen=True):
    """What was done. `session` is there while its room is; `flag` where there was one."""

    action_id: str
    action: ActName
    until_ms: int | None
    flag: Flag | None
    session: Session | None


class OfGuest(Body, frozen=True):
    """An event about one person in one session."""

    session_id: Uuid
    user_id: Uuid


class Decision(Struct, frozen=True):
    """Something that was done. `note` is null once it cannot be read any more."""

    id: str
    action: ActionName
    reason: Reason
    session_id: str
    flag_id: str | None
    user_id: str | None
    actor_id: str
    note: str | None
    duration_s: int | None
    until_ms: int | None
    before: dict[str, Any]
    after: dict[str, Any]
    undoes: str | None
    created_at_ms: int


class Decisions(Struct, frozen=True):
    """A page of what was done, the newest first."""

    items: list[Decision]
    cursor: str | None


class FlagList(Struct, frozen=True):
    """A page of cases."""

    items: list[Flag]
    cursor: str | None


class FlagDetail(Struct, frozen=True):
    """A case with what was done about it."""

    flag: Flag
    actions: list[Decision]
    suspended: bool


class Suspended(Struct, frozen=True):
    """A suspension; `until_ms` null has no end, `lifted_at_ms` is when it was taken back."""

    action_id: str
    reason: Literal["conduct", "minor"]
    from_ms: int
    until_ms: int | None
    lifted_at_ms: int | None


class PersonHistory(Struct, frozen=True):
    """What was decided about a person. No card, no address, no e-mail."""

    id: str
    name: str
    role: str
    strikes: float
    suspended: bool
    suspensions: list[Suspended]
    actions: list[Decision]


class MakeAppeal(Body, frozen=True):
    """`POST /v1/me/appeals`: what the person concerned says against a decision, once."""

    action_id: Uuid
    text: Annotated[str, Meta(min_length=1, max_length=2_000, pattern=r"\S")]


class Appeal(Struct, frozen=True):
    """One's own appeal."""

    id: str
    action_id: str
    text: str | None
    status: AppealStatus
    created_at_ms: int
    decided_at_ms: int | None


class AppealList(Struct, frozen=True):
    """A page of one's own appeals, the newest first."""

    items: list[Appeal]
    cursor: str | None


class OwnDecision(Struct, frozen=True):
    """A decision about oneself. `appeal_by_ms` is until when one may say something against it."""

    id: str
    action: ActionName
    reason: Reason
    session_id: str
    until_ms: int | None
    created_at_ms: int
    undone: bool
    appeal_by_ms: int


class OwnDecisions(Struct, frozen=True):
    """A page of decisions about oneself, the newest first."""

    items: list[OwnDecision]
    cursor: str | None


class AppealCase(Struct, frozen=True):
    """An appeal as the moderator who decides sees it, with the decision that it is about."""

    id: str
    status: AppealStatus
    text: str | None
    action: Decision
    created_at_ms: int
    decided_by: str | None
    decided_at_ms: int | None
    note: str | None


class AppealCases(Struct, frozen=True):
    """A page of appeals, the newest first."""

    items: list[AppealCase]
    cursor: str | None


class DecideAppeal(Body, frozen=True):
    """`POST /v1/moderation/appeals/{id}/decide`, by another moderator than who acted."""

    decision: Literal["upheld", "overruled"]
    note: Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
