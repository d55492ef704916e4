"""What is sent to Stripe for each kind of operation, as frozen parameters.

Every object carries `metadata.session_id` and `metadata.operation`, so that it can be found again without
its id; no name, e-mail or text of a person goes there.
"""

from billing.payment import Kind, Request, Wanted, operation_name
from rooms.ids import SessionId


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
        "metadata": _metadata(session_id, participant_no, Kind.HOLD, ordinal),
    }
    body |= {"off_session": True} if return_url is None else {"return_url": return_url}
    request = Request(body, abandon_at_ms=abandon_at_ms)
    return Wanted(Kind.HOLD, ordinal, amount_minor, currency, request, at_ms)


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


def group(session_id: SessionId) -> str:
    """What ties a session's charges and transfers together at Stripe."""
    return f"session_{session_id}"


def _metadata(session_id: SessionId, participant_no: int, kind: Kind, ordinal: int) -> dict[str, object]:
    return {"session_id": session_id, "operation": operation_name(participant_no, kind, ordinal, 1)}
