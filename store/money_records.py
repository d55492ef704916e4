"""Records of money that goes back and on, as values. Times are Unix milliseconds, money minor units."""

from typing import Any, Literal

from msgspec import Struct

from billing.refunding import Deduction
from rooms.ids import SessionId, UserId

RefundState = Literal["pending_approval", "approved", "rejected", "done", "failed"]


class Refund(Struct, frozen=True):
    """A refund as an admin asked for it; `decided_by` is the second admin, where one was needed.

    `reason` is sealed under the key of the guest whom it goes back to.
    """

    id: str
    session_id: SessionId
    participant_no: int
    amount_minor: int
    currency: str
    reason: bytes | None
    state: RefundState
    requested_by: UserId
    decided_by: UserId | None
    created_at_ms: int
    decided_at_ms: int | None
    guest_id: UserId


class DeductionRow(Deduction, frozen=True, kw_only=True):
    """A deduction on record, with what it came from."""

    session_id: SessionId
    participant_no: int
    refund_id: str | None = None
    dispute_id: str | None = None


class Owed(Struct, frozen=True):
    """What a guest owes for a hold that was gone when it was needed; a card is asked at `next_at_ms`."""

    session_id: SessionId
    participant_no: int
    ordinal: int
    currency: str
    amount_minor: int
    next_at_ms: int | None


class Restitution(Struct, frozen=True):
    """Everything back to a guest, or of `scope` session what they paid for that one. `session_id` is the
    session that gave the reason, which is a rule's name.
    """

    id: str
    guest_id: UserId
    session_id: SessionId | None
    reason: str
    ordered_by: UserId
    at_ms: int
    done_at_ms: int | None
    scope: Literal["everything", "session"] = "everything"

    @property
    def within(self) -> SessionId | None:
        """The only session whose money goes back; None for all of them."""
        return self.session_id if self.scope == "session" else None


class SessionMoney(Struct, frozen=True):
    """Whose session it is whose money is moved."""

    id: SessionId
    practitioner_id: UserId
    currency: str


class Dispute(Struct, frozen=True):
    """A dispute as Stripe last told. `ordinal` counts those of one guest's part."""

    id: str
    session_id: SessionId
    participant_no: int
    ordinal: int
    charge: str
    intent: str
    amount_minor: int
    currency: str
    reason: str
    status: str
    due_by_ms: int | None
    opened_at_ms: int
    closed_at_ms: int | None


class ShownDispute(Dispute, frozen=True, kw_only=True):
    """A dispute with the evidence that was wanted for it, and how its sending stands."""

    evidence_state: str | None = None
    evidence: dict[str, str] | None = None


class ConnectedAccount(Struct, frozen=True):
    """Where a practitioner's earnings go; `account_no` counts the accounts they have had."""

    stripe_account: str | None
    account_no: int
    transfers_active: bool


class Earned(Struct, frozen=True):
    """What a practitioner has earned in one currency, and where it is.

    `promotion_minor` is what of it the platform pays for guests' free time.
    `pending_minor` is with the platform, negative while more has to come back; `transferred_minor` went to
    their account, from which `paid_out_minor` reached their bank and `on_the_way_minor` is about to.
    """

    currency: str
    earned_minor: int
    promotion_minor: int
    pending_minor: int
    transferred_minor: int
    paid_out_minor: int
    on_the_way_minor: int
    debt_minor: int


class EarnedSession(Struct, frozen=True):
    """One session's part of that. `earned_minor` is of what was charged, `promotion_minor` beside it."""

    session_id: SessionId
    ended_at_ms: int | None
    currency: str
    charged_minor: int
    fee_minor: int
    earned_minor: int
    promotion_minor: int
    tip_minor: int
    deducted_minor: int
    transferred_minor: int


class AdminAction(Struct, frozen=True):
    """Something that an admin did. `reason` is sealed under the key of `sealed_for`."""

    id: int
    admin_id: UserId
    action: str
    subject: str
    session_id: SessionId | None
    reason: bytes | None
    sealed_for: str | None
    detail: dict[str, Any]
    at_ms: int


class Case(Struct, frozen=True):
    """Something that a person has to look at."""

    id: str
    kind: str
    session_id: SessionId | None
    subject: str | None
    detail: dict[str, Any]
    created_at_ms: int
    closed_at_ms: int | None


class Moved(Struct, frozen=True):
    """What the hub's own record says of one object at Stripe."""

    amount_minor: int
    operations: int
    session_id: SessionId | None
    participant_no: int | None = None


class Compared(Struct, frozen=True):
    """How the platform's balance in one currency compared with the record. `opening_minor` lay there before
    the first time, `told_minor` is the difference that a case has told of.
    """

    currency: str
    opening_minor: int
    difference_minor: int
    told_minor: int
