"""What stands in for a hold that is gone: Stripe let it expire, or it was cancelled there.

The guest has had the time, so the frozen amount is taken from the saved card without asking again. When that
fails, what is owed stays on the ledger, and a person looks at it.
"""

from collections.abc import Iterable

from billing import requests
from billing.payment import Kind, Operation, Share, State, Wanted


def is_gone(capture: Operation) -> bool:
    """Whether a capture came to nothing because there is no hold any more to capture."""
    outcome = capture.outcome
    return (
        capture.kind is Kind.CAPTURE
        and capture.state is State.FAILED
        and outcome is not None
        and outcome.status == "canceled"
    )


def charge(capture: Operation, known: Iterable[Operation], *, now_ms: int) -> Wanted | None:
    """The charge in place of a capture whose hold is gone, among all `known` operations of the session.

    The practitioner's share is that of the transfer which waited for the capture. None when the hold itself
    is not known, so that nobody can say whose card it was.
    """
    own = [one for one in known if one.participant_no == capture.participant_no]
    hold = _latest(own, Kind.HOLD, capture.ordinal)
    if hold is None:
        return None
    return requests.charge(
        capture.session_id,
        capture.participant_no,
        ordinal=capture.ordinal,
        amount_minor=capture.amount_minor,
        currency=capture.currency,
        customer=str(hold.params.body["customer"]),
        payment_method=str(hold.params.body["payment_method"]),
        share=_share(_latest(own, Kind.TRANSFER, capture.ordinal)),
        at_ms=now_ms,
    )


def _share(transfer: Operation | None) -> Share | None:
    if transfer is None:
        return None
    return Share(transfer.amount_minor, str(transfer.params.body["destination"]), transfer.next_at_ms)


def _latest(known: list[Operation], kind: Kind, ordinal: int) -> Operation | None:
    fitting = [one for one in known if one.kind is kind and one.ordinal == ordinal]
    return max(fitting, key=lambda one: one.attempt, default=None)
