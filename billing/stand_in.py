"""What stands in for a hold that is gone: Stripe let it expire, or it was cancelled there.

The guest has had the time, so the frozen amount is taken from the saved card without asking again. A card
that says no is asked again after one, three and seven more days, and another card as soon as the guest saves
it. What no card pays stays on the ledger as owed, and a person looks at it.
"""

from collections.abc import Iterable
from typing import Final

from billing import requests
from billing.payment import Kind, Operation, Share, State, Wanted
from billing.recovery import NO_EFFECT
from billing.refunding import REPLACED

DAY_MS: Final = 86_400_000
AGAIN_AFTER_MS: Final = (DAY_MS, 3 * DAY_MS, 7 * DAY_MS)
"""How long after each no the same card is asked again; after the last one it is not."""
ATTEMPTS_MAX: Final = 40
"""However many cards a guest saves, after this many attempts a person decides."""


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


def again(
    declined: Operation, known: Iterable[Operation], *, customer: str, payment_method: str, now_ms: int
) -> Wanted | None:
    """The next attempt after a card said no, with the card that the guest has now; None when there is none.

    Another card is charged at once, the same one by the schedule. `known` are the operations of the session.
    """
    if declined.attempt >= ATTEMPTS_MAX:
        return None
    at_ms = now_ms
    if payment_method == declined.params.body["payment_method"]:
        refusals = sum(_refused(one, declined, payment_method) for one in known)
        if refusals > len(AGAIN_AFTER_MS):
            return None
        at_ms += AGAIN_AFTER_MS[max(refusals, 1) - 1]
    return with_card(declined, customer=customer, payment_method=payment_method, at_ms=at_ms)


def with_card(declined: Operation, *, customer: str, payment_method: str, at_ms: int) -> Wanted:
    """The next attempt at a charge, with this card."""
    return requests.charge(
        declined.session_id,
        declined.participant_no,
        ordinal=declined.ordinal,
        amount_minor=declined.amount_minor,
        currency=declined.currency,
        customer=customer,
        payment_method=payment_method,
        share=declined.params.share,
        at_ms=at_ms,
        attempt=declined.attempt + 1,
    )


def _refused(one: Operation, declined: Operation, payment_method: str) -> bool:
    """Whether this was an attempt at the same charge to which this card said no."""
    return (
        (one.kind, one.participant_no, one.ordinal)
        == (Kind.CHARGE, declined.participant_no, declined.ordinal)
        and one.params.body["payment_method"] == payment_method
        and one.state is State.FAILED
        and one.outcome is not None
        and one.outcome.code not in (NO_EFFECT, REPLACED)
    )


def _share(transfer: Operation | None) -> Share | None:
    if transfer is None:
        return None
    return Share(transfer.amount_minor, str(transfer.params.body["destination"]), transfer.next_at_ms)


def _latest(known: list[Operation], kind: Kind, ordinal: int) -> Operation | None:
    fitting = [one for one in known if one.kind is kind and one.ordinal == ordinal]
    return max(fitting, key=lambda one: one.attempt, default=None)
