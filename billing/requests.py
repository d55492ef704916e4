"""What is sent to Stripe for each kind of operation, as frozen parameters.

Every object carries `metadata.session_id` and `metadata.operation`, so that it can be found again without
its id; no name, e-mail or text of a person goes there.
"""

from typing import Final, Literal

from billing.payment import Kind, Operation, Request, Share, Wanted, operation_name
from rooms.ids import SessionId

LATER: Final = {Kind.CHARGE: 1_000, Kind.TIP: 2_000}
"""Added to an ordinal for the transfer of what came in by a charge or tip: it is wanted only then."""
LATER_FROM: Final = min(LATER.values())
PROMOTION: Final = 3_001
"""The ordinal of the transfer that pays for a guest's free time. It waits for no charge."""

AGAIN: Final = 10_000
"""Added to a transfer's ordinal for the next one of the same charge: a refund failed after it was made, so
that what had come back of the practitioner's part is due once more."""


def hold(
    session_id: SessionId,
    participant_no: int,
    *,
    ordinal: int,
    amount_minor: int,
    currency: str,
    customer: str,
    payment_method: str,
    return_url: str | None,
    at_ms: int,
    abandon_at_ms: int | None = None,
    attempt: int = 1,
) -> Wanted:
    """Reserve an amount on a saved card, to be captured when the session is over.

    With a `return_url` the guest is there to confirm by 3-D Secure and comes back to it. Without one the
    guest is not asked: a card that insists is declined.
    """
    body: dict[str, object] = {
        "amount": amount_minor,
        "currency": currency,
        "customer": customer,
        "payment_method": payment_method,
        "allowed_payment_method_types": ["card"],
        "capture_method": "manual",
        "confirm": True,
        # The charge says until when the hold can be captured.
        "expand": ["latest_charge"],
        "transfer_group": group(session_id),
        "metadata": _metadata(session_id, participant_no, Kind.HOLD, ordinal, attempt),
    }
    body |= {"off_session": True} if return_url is None else {"return_url": return_url}
    request = Request(body, abandon_at_ms=abandon_at_ms)
    return Wanted(Kind.HOLD, ordinal, amount_minor, currency, request, at_ms, attempt)


def charge(
    session_id: SessionId,
    participant_no: int,
    *,
    ordinal: int,
    amount_minor: int,
    currency: str,
    customer: str,
    payment_method: str,
    share: Share | None,
    at_ms: int,
    kind: Literal[Kind.CHARGE, Kind.TIP] = Kind.CHARGE,
    attempt: int = 1,
) -> Wanted:
    """Take an amount from a saved card at once, while the guest is not there to be asked.

    As `charge` it stands in for the hold of the same `ordinal`; as `tip` it is a payment of its own. `share`
    is what the practitioner gets of it once it has come in.
    """
    body: dict[str, object] = {
        "amount": amount_minor,
        "currency": currency,
        "customer": customer,
        "payment_method": payment_method,
        "allowed_payment_method_types": ["card"],
        "capture_method": "automatic",
        "confirm": True,
        "off_session": True,
        "expand": ["latest_charge"],
        "transfer_group": group(session_id),
        "metadata": _metadata(session_id, participant_no, kind, ordinal, attempt),
    }
    return Wanted(kind, ordinal, amount_minor, currency, Request(body, share=share), at_ms, attempt)


def capture(ordinal: int, amount_minor: int, currency: str, *, intent: str, at_ms: int) -> Wanted:
    """Collect this much of a hold, at last: the rest of it is released. `ordinal` is the hold's."""
    request = Request({"amount_to_capture": amount_minor}, target=intent)
    return Wanted(Kind.CAPTURE, ordinal, amount_minor, currency, request, at_ms)


def cancel(ordinal: int, amount_minor: int, currency: str, *, intent: str, at_ms: int) -> Wanted:
    """Release a hold that is not used. `ordinal` is the hold's."""
    request = Request({"cancellation_reason": "abandoned"}, target=intent)
    return Wanted(Kind.CANCEL, ordinal, amount_minor, currency, request, at_ms)


def transfer(
    session_id: SessionId,
    participant_no: int,
    *,
    ordinal: int,
    amount_minor: int,
    currency: str,
    destination: str,
    charge: str,
    at_ms: int,
) -> Wanted:
    """Pass the practitioner's part of one captured charge on. `ordinal` is the hold's.

    `source_transaction` ties it to the charge, so that it needs no balance and follows the charge's money.
    """
    body: dict[str, object] = {
        "amount": amount_minor,
        "currency": currency,
        "destination": destination,
        "source_transaction": charge,
        "transfer_group": group(session_id),
        "metadata": _metadata(session_id, participant_no, Kind.TRANSFER, ordinal),
    }
    return Wanted(Kind.TRANSFER, ordinal, amount_minor, currency, Request(body), at_ms)


def promotion(
    session_id: SessionId,
    participant_no: int,
    *,
    amount_minor: int,
    currency: str,
    destination: str,
    at_ms: int,
) -> Wanted:
    """Pay for a guest's free time from the platform's own balance.

    Without `source_transaction`, as no charge is behind it. While the balance is short, Stripe refuses it.
    """
    body: dict[str, object] = {
        "amount": amount_minor,
        "currency": currency,
        "destination": destination,
        "transfer_group": group(session_id),
        "metadata": _metadata(session_id, participant_no, Kind.TRANSFER, PROMOTION),
    }
    return Wanted(Kind.TRANSFER, PROMOTION, amount_minor, currency, Request(body), at_ms)


def is_promotion(operation: Operation) -> bool:
    """Whether an operation pays for free time: the one transfer that no charge is the source of."""
    return operation.kind is Kind.TRANSFER and operation.ordinal == PROMOTION


def transfer_of(collected: Operation) -> Wanted | None:
    """The practitioner's share of a charge or tip that has come in; None if there is none."""
    share, outcome = collected.params.share, collected.outcome
    if share is None or outcome is None or outcome.charge is None:
        return None
    return transfer(
        collected.session_id,
        collected.participant_no,
        ordinal=LATER[collected.kind] + collected.ordinal,
        amount_minor=share.amount_minor,
        currency=collected.currency,
        destination=share.destination,
        charge=outcome.charge,
        at_ms=share.at_ms,
    )


def refund(
    session_id: SessionId,
    participant_no: int,
    *,
    ordinal: int,
    amount_minor: int,
    currency: str,
    intent: str,
    at_ms: int,
) -> Wanted:
    """Give a guest this much of one charge back. What the practitioner had of it comes back by a reversal."""
    body: dict[str, object] = {
        "amount": amount_minor,
        "payment_intent": intent,
        "reason": "requested_by_customer",
        "metadata": _metadata(session_id, participant_no, Kind.REFUND, ordinal),
    }
    return Wanted(Kind.REFUND, ordinal, amount_minor, currency, Request(body), at_ms)


def reversal(
    session_id: SessionId,
    participant_no: int,
    *,
    ordinal: int,
    amount_minor: int,
    currency: str,
    transfer_id: str,
    at_ms: int,
) -> Wanted:
    """Take back what was transferred of money that has gone back."""
    body: dict[str, object] = {
        "amount": amount_minor,
        "metadata": _metadata(session_id, participant_no, Kind.REVERSAL, ordinal),
    }
    return Wanted(Kind.REVERSAL, ordinal, amount_minor, currency, Request(body, target=transfer_id), at_ms)


def evidence(
    ordinal: int, currency: str, *, dispute_id: str, fields: dict[str, object], at_ms: int
) -> Wanted:
    """Show the bank what proves a charge. `ordinal` is the dispute's."""
    request = Request({"evidence": fields, "submit": True}, target=dispute_id)
    return Wanted(Kind.EVIDENCE, ordinal, 0, currency, request, at_ms)


def group(session_id: SessionId) -> str:
    """What ties a session's charges and transfers together at Stripe."""
    return f"session_{session_id}"


def _metadata(
    session_id: SessionId, participant_no: int, kind: Kind, ordinal: int, attempt: int = 1
) -> dict[str, object]:
    return {"session_id": session_id, "operation": operation_name(participant_no, kind, ordinal, attempt)}
