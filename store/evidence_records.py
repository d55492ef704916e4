"""Evidence and reports as Postgres gives them back."""

from typing import Literal

from msgspec import Struct

from rooms.ids import SessionId, UserId

EvidenceKind = Literal["message", "snapshot"]
Outcome = Literal["upheld", "dismissed"]
"""What came of a report: somebody acted on it, or nobody had to."""


class EvidenceRecord(Struct, frozen=True):
    """Something kept for a decision. `sealed` opens under the key that bears the evidence's id.

    `subject_id` is the person whom it is about. While `hold_reason` is set it is kept whatever its time.
    """

    id: str
    flag_id: str
    session_id: SessionId | None
    subject_id: UserId | None
    kind: EvidenceKind
    sealed: bytes
    created_at_ms: int
    keep_until_ms: int
    hold_reason: bytes | None
    held_by: UserId | None
    held_at_ms: int | None


class WithheldRecord(EvidenceRecord, frozen=True):
    """A message that was held or blocked, and what its rule wanted."""

    message_id: str
    verdict: Literal["flag", "hold", "block"]
    flagged_at_ms: int


class ReportRecord(Struct, frozen=True):
    """A report without its words, which are in the evidence. `flag_id` is None until its flag is raised."""

    id: str
    reporter_id: UserId
    session_id: SessionId
    user_id: UserId
    message_id: str | None
    evidence_id: str
    flag_id: str | None
    created_at_ms: int


class DecidedReport(Struct, frozen=True):
    """A report that was just decided, and whom to tell."""

    id: str
    reporter_id: UserId
    session_id: SessionId
