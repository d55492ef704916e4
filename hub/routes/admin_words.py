"""The words of the routes for admins: what they ask, and what they are answered."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from hub import wire
from store.money_records import RefundState

Amount = Annotated[int, Meta(ge=1, le=100_000_000)]
Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]


class AskRefund(wire.Body, frozen=True, kw_only=True):
    """`user_id` is needed where a session had several guests. The same `request_id` refunds once."""

    session_id: wire.Uuid
    user_id: wire.Uuid | None = None
    amount_minor: Amount
    reason: Reason
    request_id: wire.Handle | None = None


class Because(wire.Body, frozen=True):
    """Why."""

    reason: Reason


class Refund(Struct, frozen=True):
    """A refund; `decided_by` is the second admin, where one was needed."""

    id: str
    session_id: str
    participant_no: int
    amount_minor: int
    currency: str
    reason: str
    state: RefundState
    requested_by: str
    decided_by: str | None
    created_at_ms: int
    decided_at_ms: int | None


class Refunds(Struct, frozen=True):
    """A page of refunds, the newest first."""

    items: list[Refund]
    cursor: str | None


class Dispute(Struct, frozen=True):
    """A dispute, with the evidence that the bank is shown and whether it has it: the state of its sending, or
    `not_needed` when the bank had decided before.
    """

    id: str
    session_id: str
    participant_no: int
    amount_minor: int
    currency: str
    reason: str
    status: str
    due_by_ms: int | None
    opened_at_ms: int
    closed_at_ms: int | None
    evidence: dict[str, str] | None
    evidence_state: str | None


class Disputes(Struct, frozen=True):
    """A page of disputes."""

    items: list[Dispute]
    cursor: str | None


class Operation(Struct, frozen=True):
    """A call that Stripe gets, and what came of it. `may_retry`: it failed, and can be wanted again."""

    id: int
    session_id: str
    participant_no: int
    kind: str
    ordinal: int
    attempt: int
    amount_minor: int
    currency: str
    state: str
    status: str | None
    code: str | None
    stripe_id: str | None
    created_at_ms: int
    next_at_ms: int
    may_retry: bool


class Operations(Struct, frozen=True):
    """All operations of one session, in the order in which they were wanted."""

    items: list[Operation]


class Case(Struct, frozen=True):
    """Something that a person has to look at."""

    id: str
    kind: str
    session_id: str | None
    subject: str | None
    detail: dict[str, Any]
    created_at_ms: int
    closed_at_ms: int | None


class Cases(Struct, frozen=True):
    """A page of cases, the newest first."""

    items: list[Case]
    cursor: str | None


class Action(Struct, frozen=True):
    """Something that an admin did."""

    id: int
    admin_id: str
    action: str
    subject: str
    session_id: str | None
    reason: str
    detail: dict[str, Any]
    at_ms: int


class Actions(Struct, frozen=True):
    """A page of what admins did, the newest first."""

    items: list[Action]
    cursor: str | None
