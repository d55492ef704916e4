"""A payment operation: one call that Stripe is to get, exactly once in effect, whatever dies and whenever.

The row is committed before anything is sent, and it is sent under a key that never changes, so a repeat after
a lost answer has no second effect. `recovery` decides what an answer means.

    pending ──> in_flight ──┬─> succeeded
                   │  ^     └─> failed ──> (a new attempt, under a new key)
                   v  │
                  unknown   the answer was lost: same key again, or look the object up
"""

from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct

from rooms.ids import SessionId


class Kind(StrEnum):
    """What is done at Stripe."""

    HOLD = "hold"
    CAPTURE = "capture"
    CANCEL = "cancel"
    TRANSFER = "transfer"
    REFUND = "refund"
    REVERSAL = "reversal"
    EVIDENCE = "evidence"
    CHARGE = "charge"
    """Taken from the saved card after the session, in place of a hold that Stripe let go."""
    TIP = "tip"


class State(StrEnum):
    """How far an operation has come."""

    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    UNKNOWN = "unknown"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


INTENTS: Final = frozenset({Kind.HOLD, Kind.CHARGE, Kind.TIP})
"""What makes a payment intent of its own."""
COLLECTS: Final = frozenset({Kind.CAPTURE, Kind.CHARGE, Kind.TIP})
"""What brings a guest's money in."""

TERMINAL: Final = frozenset({State.SUCCEEDED, State.FAILED})


class Share(Struct, frozen=True):
    """What a practitioner gets of a charge once it has come in, at the earliest at `at_ms`."""

    amount_minor: int
    destination: str
    at_ms: int


class Request(Struct, frozen=True, omit_defaults=True):
    """What is sent, frozen when it was wanted: a retry after a deploy sends the same.

    `target` is the object that is acted upon: an intent, a transfer or a dispute. `body` holds Stripe's own
    parameters. A request that was not sent by `abandon_at_ms` is not sent any more.
    """

    body: dict[str, object]
    target: str | None = None
    abandon_at_ms: int | None = None
    share: Share | None = None
    """Not sent: the transfer that is wanted once this charge or tip has come in."""


class Wanted(Struct, frozen=True):
    """An operation before it has a row. `at_ms` is when it may be sent at the earliest."""

    kind: Kind
    ordinal: int
    amount_minor: int
    currency: str
    params: Request
    at_ms: int
    attempt: int = 1


Status = Literal[
    "placed",
    "action_required",
    "declined",
    "captured",
    "canceled",
    "transferred",
    "refused",
    "refunded",
    "reversed",
    "submitted",
]


class Outcome(Struct, frozen=True, omit_defaults=True):
    """What came of an operation, as the row keeps it. `code` is Stripe's reason for a no."""

    status: Status
    amount_minor: int = 0
    code: str | None = None
    url: str | None = None
    charge: str | None = None
    capture_before_ms: int | None = None


class Operation(Struct, frozen=True):
    """A row of `payment_ops`."""

    id: int
    session_id: SessionId
    participant_no: int
    kind: Kind
    ordinal: int
    attempt: int
    amount_minor: int
    currency: str
    params: Request
    idem_key: str
    state: State
    stripe_id: str | None
    outcome: Outcome | None
    first_sent_at_ms: int | None
    next_at_ms: int
    lease_until_ms: int
    created_at_ms: int

    @property
    def name(self) -> str:
        """How Stripe's objects name this operation, in `metadata.operation`."""
        return operation_name(self.participant_no, self.kind, self.ordinal, self.attempt)


class Facts(Struct, frozen=True):
    """An object at Stripe as far as the hub uses it: a payment intent, a transfer (`status` "paid"),
    a refund, a reversal, a dispute.

    Amounts in minor units; `received_minor` is what was captured of an intent.
    """

    id: str
    status: str
    amount_minor: int
    received_minor: int
    currency: str
    charge: str | None = None
    url: str | None = None
    capture_before_ms: int | None = None
    code: str | None = None
    session_id: str | None = None
    operation: str | None = None


Answer = Literal["done", "declined", "refused", "not_now", "error", "lost", "mismatch"]


class Reply(Struct, frozen=True):
    """What one call came back with.

    `declined` is a card error, `refused` a definitive 400 or 404, `not_now` a call that was not carried out
    (409, 429, 401, 403), `error` a 5xx, `lost` no answer at all, `mismatch` a key that was used with other
    parameters. `replayed` says that Stripe repeated a stored answer.
    """

    answer: Answer
    facts: Facts | None = None
    code: str | None = None
    replayed: bool = False


def operation_name(participant_no: int, kind: Kind, ordinal: int, attempt: int) -> str:
    """Names an operation within its session: `1:hold:1:1`."""
    return f"{participant_no}:{kind.value}:{ordinal}:{attempt}"


def idempotency_key(environment: str, session_id: SessionId, participant_no: int, wanted: Wanted) -> str:
    """The key an operation is sent under, each time: it never depends on the time or the try."""
    name = operation_name(participant_no, wanted.kind, wanted.ordinal, wanted.attempt)
    return f"allinya:{environment}:{session_id}:{name}"
