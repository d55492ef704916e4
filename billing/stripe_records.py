"""What Stripe keeps beside intents and transfers, as far as the hub reads it: refunds, disputes, payouts."""

from typing import Any

from msgspec import Struct, field

from billing.payment import Facts


class Refund(Struct, frozen=True):
    """Money that goes back to a guest's card."""

    id: str
    amount: int
    currency: str
    status: str | None = None
    payment_intent: str | None = None
    failure_reason: str | None = None
    metadata: dict[str, str] | None = None

    def facts(self) -> Facts:
        """The refund in the hub's words."""
        named = self.metadata or {}
        return Facts(
            id=self.id,
            status=self.status or "succeeded",
            amount_minor=self.amount,
            received_minor=0,
            currency=self.currency,
            code=self.failure_reason,
            session_id=named.get("session_id"),
            operation=named.get("operation"),
        )


class Reversal(Struct, frozen=True):
    """Money that comes back from a connected account."""

    id: str
    amount: int
    currency: str
    metadata: dict[str, str] | None = None

    def facts(self) -> Facts:
        """The reversal in the hub's words."""
        named = self.metadata or {}
        return Facts(
            id=self.id,
            status="reversed",
            amount_minor=self.amount,
            received_minor=0,
            currency=self.currency,
            session_id=named.get("session_id"),
            operation=named.get("operation"),
        )


class _EvidenceDetails(Struct, frozen=True):
    due_by: int | None = None
    has_evidence: bool = False
    submission_count: int = 0


class Dispute(Struct, frozen=True):
    """A charge that the guest's bank took back, for now or for good."""

    id: str
    amount: int
    currency: str
    status: str
    created: int
    reason: str = "general"
    charge: str | None = None
    payment_intent: str | None = None
    evidence_details: _EvidenceDetails = field(default_factory=_EvidenceDetails)

    def facts(self) -> Facts:
        """The dispute as an operation on it sees it: `submitted` once the bank has evidence to look at."""
        sent = self.evidence_details.has_evidence and self.evidence_details.submission_count > 0
        return Facts(
            id=self.id,
            status="submitted" if sent else self.status,
            amount_minor=self.amount,
            received_minor=0,
            currency=self.currency,
            charge=self.charge,
        )


class Payout(Struct, frozen=True):
    """Money on its way from a connected account to its owner's bank."""

    id: str
    amount: int
    currency: str
    status: str
    arrival_date: int
    created: int


class Created(Struct, frozen=True):
    """An object of which only the id is needed."""

    id: str


class Link(Struct, frozen=True):
    """A hosted page."""

    url: str


class _EventData(Struct, frozen=True):
    object: dict[str, Any]


class Event(Struct, frozen=True):
    """Something that happened at Stripe."""

    id: str
    type: str
    created: int
    livemode: bool
    data: _EventData
    account: str | None = None

    @property
    def object_id(self) -> str | None:
        """What it happened to."""
        found = self.data.object.get("id")
        return found if isinstance(found, str) else None


class _Amount(Struct, frozen=True):
    amount: int
    currency: str


class Balance(Struct, frozen=True):
    """What lies on the platform's balance, by currency."""

    available: list[_Amount]
    pending: list[_Amount]


class BalanceTransaction(Struct, frozen=True):
    """A movement on the platform's balance; `amount` is before Stripe's own fee, negative when money left."""

    id: str
    amount: int
    currency: str
    type: str
    created: int
    fee: int = 0
    source: str | None = None
