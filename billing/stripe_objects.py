"""Stripe's objects, as far as the hub reads them. Whatever else they carry is ignored."""

from typing import Generic, TypeVar

from msgspec import Struct, field

from billing.payment import Facts

T = TypeVar("T")


class _Card(Struct, frozen=True):
    capture_before: int | None = None


class _Details(Struct, frozen=True):
    card: _Card | None = None


class _Charge(Struct, frozen=True):
    id: str
    payment_method_details: _Details | None = None


class _Redirect(Struct, frozen=True):
    url: str | None = None


class _Action(Struct, frozen=True):
    redirect_to_url: _Redirect | None = None


class _Failure(Struct, frozen=True):
    code: str | None = None
    decline_code: str | None = None


class Intent(Struct, frozen=True):
    """A payment intent. `latest_charge` may be expanded."""

    id: str
    status: str
    amount: int
    currency: str
    amount_received: int = 0
    latest_charge: _Charge | str | None = None
    next_action: _Action | None = None
    last_payment_error: _Failure | None = None
    cancellation_reason: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    def facts(self) -> Facts:
        """The intent in the hub's words."""
        charge, failure = self.latest_charge, self.last_payment_error
        code = None if failure is None else failure.decline_code or failure.code
        action = self.next_action.redirect_to_url if self.next_action is not None else None
        return Facts(
            id=self.id,
            status=self.status,
            amount_minor=self.amount,
            received_minor=self.amount_received,
            currency=self.currency,
            charge=charge.id if isinstance(charge, _Charge) else charge,
            url=action.url if action is not None else None,
            capture_before_ms=_capture_before_ms(charge),
            code=code or self.cancellation_reason,
            session_id=self.metadata.get("session_id"),
            operation=self.metadata.get("operation"),
        )


class Transfer(Struct, frozen=True):
    """A transfer to a connected account."""

    id: str
    amount: int
    currency: str
    metadata: dict[str, str] = field(default_factory=dict)

    def facts(self) -> Facts:
        """The transfer in the hub's words."""
        return Facts(
            id=self.id,
            status="paid",
            amount_minor=self.amount,
            received_minor=0,
            currency=self.currency,
            session_id=self.metadata.get("session_id"),
            operation=self.metadata.get("operation"),
        )


class _Capabilities(Struct, frozen=True):
    transfers: str | None = None


class Account(Struct, frozen=True):
    """A connected account."""

    id: str
    capabilities: _Capabilities = field(default_factory=_Capabilities)


class Page(Struct, Generic[T], frozen=True):
    """One page of a list, newest first."""

    data: list[T]
    has_more: bool


def _capture_before_ms(charge: _Charge | str | None) -> int | None:
    if not isinstance(charge, _Charge) or charge.payment_method_details is None:
        return None
    card = charge.payment_method_details.card
    return None if card is None or card.capture_before is None else card.capture_before * 1000
