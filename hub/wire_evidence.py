"""The words of the public contract about reports, blocks, evidence and observation."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from hub.wire import Body, FreeText, Reply, Session, Speaker, Uuid
from store.evidence_records import EvidenceKind


class Report(Body, frozen=True):
    """`safety:report`: a message, or a person of the session; of two people, the other one."""

    session_id: Uuid
    reason: FreeText
    message_id: Uuid | None = None
    user_id: Uuid | None = None
    note: FreeText | None = None


class Reported(Reply, frozen=True):
    """The report is filed; asked again, the same one."""

    report_id: str


class BlockPerson(Body, frozen=True):
    """`safety:block`."""

    user_id: Uuid


class Observe(Body, frozen=True):
    """`moderation:observe`. The reason is on record for the people observed."""

    session_id: Uuid
    reason: FreeText


class ObservedMessage(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A message as a moderator reads it. What was not delivered has no `seq`; `status` says what it is."""

    seq: int | None
    status: Literal["sent", "held", "blocked", "rejected"] = "sent"
    id: str | UnsetType = UNSET
    at_ms: int | UnsetType = UNSET
    sender: Speaker | UnsetType = UNSET
    text: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    lost: Literal[True] | UnsetType = UNSET
    removed: Literal[True] | UnsetType = UNSET


class Observed(Reply, frozen=True):
    """The session and its latest messages, in the order of their time; what follows comes as events, until
    `until_ms`.
    """

    session: Session
    messages: list[ObservedMessage]
    head_seq: int
    until_ms: int


class Block(Struct, frozen=True):
    """Somebody whom one has blocked."""

    id: str
    name: str
    created_at_ms: int


class BlockList(Struct, frozen=True):
    """Whom one has blocked."""

    items: list[Block]
    cursor: str | None


class EvidenceView(Struct, frozen=True):
    """A piece of evidence, unopened. `user_id` is whom it is about."""

    id: str
    flag_id: str
    session_id: str | None
    user_id: str | None
    kind: EvidenceKind
    created_at_ms: int
    keep_until_ms: int
    legal_hold: bool


class EvidenceList(Struct, frozen=True):
    """What is kept for a flag, the newest first."""

    items: list[EvidenceView]
    cursor: str | None


class OpenedEvidence(Struct, frozen=True):
    """A piece of evidence with what was kept: a message's words, or the snapshot of a report."""

    id: str
    flag_id: str
    session_id: str | None
    user_id: str | None
    kind: EvidenceKind
    created_at_ms: int
    keep_until_ms: int
    legal_hold: bool
    text: str | None
    snapshot: dict[str, Any] | None


class LegalHold(Struct, frozen=True, forbid_unknown_fields=True):
    """Why evidence is kept beyond its time, or is no more."""

    reason: FreeText
