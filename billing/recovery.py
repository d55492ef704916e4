"""What an answer from Stripe means for an operation, and what to do when there was none.

The rules: the same key as long as Stripe knows it; after that, or when it repeats a stored error, read the
object before anything new; a new key only after a definitive no.
"""

from typing import Final, assert_never

from msgspec import Struct, structs

from billing import requests
from billing.payment import (
    INTENTS,
    Facts,
    Kind,
    Operation,
    Outcome,
    Reply,
    Request,
    State,
    Wanted,
    operation_name,
)

SAME_KEY_MS: Final = 23 * 3_600_000
"""Stripe forgets a key after 24 hours; until an hour before, the same key is safe."""
RETRY_MIN_MS: Final = 500
RETRY_MAX_MS: Final = 600_000
ATTEMPTS_MAX: Final = 8
"""After this many definitive failures a person decides."""
NO_EFFECT_AFTER_MS: Final = (0, 5_000, 30_000, 240_000, 1_800_000, 14_400_000, 72_000_000)
"""How long after each attempt without effect the next one follows: at once, then ever later, so that all of
them together outlast a bad day at Stripe.
"""
ENDS_A_HOLD: Final = frozenset({Kind.CAPTURE, Kind.CANCEL})
"""What is wanted until it is done or the hold is gone: Stripe lets a hold go after some days by itself."""
ATTEMPT_DELAY_MS: Final = 3_600_000
ATTEMPT_DELAY_MAX_MS: Final = 86_400_000
"""The longest wait of what is asked for until it goes: what the platform's balance does not cover yet."""

BALANCE_INSUFFICIENT: Final = "balance_insufficient"
"""Stripe's code for a transfer that the platform's balance does not cover."""
NOT_NEEDED: Final = "not_needed"
"""The code of evidence that nobody looks at any more: the bank had decided before it went out."""
DISPUTE_DECIDED: Final = frozenset({"won", "lost", "warning_closed", "prevented"})
"""With these a bank has decided about a dispute, and takes no evidence."""
NO_EFFECT: Final = "no_effect"
"""The code of an attempt that was looked up and had changed nothing at Stripe."""


class Step(Struct, frozen=True):
    """What to write on the row. A step without a terminal state names when to try again."""

    state: State
    outcome: Outcome | None = None
    stripe_id: str | None = None
    next_at_ms: int | None = None


def must_look_up(operation: Operation, now_ms: int) -> bool:
    """Whether the key is too old to be sent again, so that the object is looked for instead."""
    sent_ms = operation.first_sent_at_ms
    return sent_ms is not None and now_ms - sent_ms >= SAME_KEY_MS


def is_abandoned(operation: Operation, now_ms: int) -> bool:
    """Whether an operation was never sent and nobody waits for it any more."""
    limit_ms = operation.params.abandon_at_ms
    return operation.state is State.PENDING and limit_ms is not None and now_ms >= limit_ms


ABANDONED: Final = Step(State.FAILED, Outcome("declined", code="abandoned"))
"""Never sent, and never to be sent."""

NOT_CAPTURED: Final = Step(State.FAILED, Outcome("refused", code="not_captured"))
"""A transfer whose charge was never captured: there is nothing to pass on."""


def after(operation: Operation, reply: Reply, *, now_ms: int) -> Step | None:
    """What a reply to `send` means, or None when the object has to be read first."""
    match reply.answer:
        case "done":
            return None if reply.facts is None else conclude(operation, reply.facts, now_ms=now_ms)
        case "declined":
            stripe_id = reply.facts.id if reply.facts is not None else None
            return Step(State.FAILED, Outcome("declined", code=reply.code), stripe_id)
        case "refused":
            # A capture or a cancel that raced another one is refused, and the intent's state tells the truth.
            if operation.params.target is not None:
                return None
            return Step(State.FAILED, _no(operation, reply.code))
        case "not_now" | "lost":
            return retry(operation, now_ms=now_ms)
        case "error":
            # Stripe stores a 500 and repeats it for as long as it knows the key.
            return None if reply.replayed else retry(operation, now_ms=now_ms)
        case "mismatch":
            return None
        case _:
            assert_never(reply.answer)


def conclude(operation: Operation, facts: Facts, *, refused: str | None = None, now_ms: int) -> Step:
    """What the object at Stripe says about the operation. `refused` is the code of a no that led to the look.

    An object that shows that the call had no effect ends this attempt; `follow_up` plans the next.
    """
    match operation.kind:
        case Kind.HOLD:
            return _hold(operation, facts, now_ms)
        case Kind.CAPTURE:
            return _capture(facts, refused)
        case Kind.CANCEL:
            return _cancel(facts, refused)
        case Kind.TRANSFER:
            return Step(State.SUCCEEDED, Outcome("transferred", facts.amount_minor), facts.id)
        case Kind.REFUND:
            return _refund(facts)
        case Kind.REVERSAL:
            return Step(State.SUCCEEDED, Outcome("reversed", facts.amount_minor), facts.id)
        case Kind.EVIDENCE:
            return _evidence(facts, refused)
        case Kind.CHARGE | Kind.TIP:
            return _charge(operation, facts, now_ms)
        case _:
            assert_never(operation.kind)


def absent(operation: Operation, *, refused: str | None = None) -> Step:
    """The object was looked for and does not exist: this attempt never took effect."""
    return Step(State.FAILED, _no(operation, refused or NO_EFFECT))


def retry(operation: Operation, *, now_ms: int) -> Step:
    """The answer is not known: again under the same key, at intervals that grow with the time since."""
    age_ms = now_ms - (operation.first_sent_at_ms or now_ms)
    wait_ms = min(max(age_ms // 2, RETRY_MIN_MS), RETRY_MAX_MS)
    return Step(State.UNKNOWN, next_at_ms=now_ms + wait_ms)


def advance(operation: Operation, facts: Facts) -> Step | None:
    """What news of a hold's intent changes, or None.

    It only moves forward, so that late and repeated news is safe: waiting for 3-D Secure becomes placed,
    declined or canceled; placed becomes canceled and nothing else.
    """
    known = operation.outcome.status if operation.outcome is not None else None
    step = _hold(operation, facts, 0)
    if step.outcome is None or step.outcome.status == known:
        return None
    if known == "action_required":
        return step
    if known == "placed" and step.outcome.status == "canceled":
        return Step(State.SUCCEEDED, step.outcome, facts.id)
    return None


def follow_up(operation: Operation, *, now_ms: int) -> Wanted | None:
    """The next attempt after a definitive failure, under a new key, or None when a person decides.

    What had no effect is wanted again, at once and then ever later; a refused transfer when money or account
    may be ready. Money that the platform's balance has not got yet is asked for as often as it takes, and
    what ends a hold as long as the hold stands.
    """
    outcome = operation.outcome
    if operation.state is not State.FAILED or outcome is None:
        return None
    no_effect = outcome.code == NO_EFFECT
    # A promotion may have waited for the balance many times: that a later attempt got lost ends nothing.
    holds = still_holds(operation)
    endless = waits_for_balance(operation) or holds or (no_effect and requests.is_promotion(operation))
    if operation.attempt >= ATTEMPTS_MAX and not endless:
        return None
    if outcome == NOT_CAPTURED.outcome or not (no_effect or holds or operation.kind is Kind.TRANSFER):
        return None
    delay_ms = _no_effect_delay_ms(operation) if no_effect else _attempt_delay_ms(operation)
    return next_attempt(operation, at_ms=now_ms + delay_ms)


def still_holds(operation: Operation) -> bool:
    """Whether Stripe still held the money after a capture or a cancel that failed."""
    outcome = operation.outcome
    return (
        operation.kind in ENDS_A_HOLD
        and operation.state is State.FAILED
        and outcome is not None
        and outcome.status == "refused"
    )


def delay_concern(operation: Operation) -> str | None:
    """The kind of case about what is wanted again and should have been done long ago, if it is such."""
    late = still_holds(operation) and operation.attempt >= ATTEMPTS_MAX
    return f"{operation.kind.value}_delayed" if late else None


def next_attempt(operation: Operation, *, at_ms: int) -> Wanted:
    """The same once more, under a new key."""
    attempt = operation.attempt + 1
    name = operation_name(operation.participant_no, operation.kind, operation.ordinal, attempt)
    return Wanted(
        operation.kind,
        operation.ordinal,
        operation.amount_minor,
        operation.currency,
        _renamed(operation.params, name),
        at_ms,
        attempt,
    )


def waits_for_balance(operation: Operation) -> bool:
    """Whether Stripe refused a transfer because the platform's own balance does not cover it now."""
    outcome = operation.outcome
    return (
        requests.is_promotion(operation)
        and operation.state is State.FAILED
        and outcome is not None
        and outcome.code == BALANCE_INSUFFICIENT
    )


def _attempt_delay_ms(operation: Operation) -> int:
    """Twice as long each time; what has no last attempt waits a day at most."""
    if waits_for_balance(operation) or still_holds(operation):
        return min(ATTEMPT_DELAY_MS << min(operation.attempt - 1, ATTEMPTS_MAX), ATTEMPT_DELAY_MAX_MS)
    return ATTEMPT_DELAY_MS << operation.attempt


def _no_effect_delay_ms(operation: Operation) -> int:
    """By the table. A hold does not last for long, so what ends it is never put off for most of a day."""
    last = len(NO_EFFECT_AFTER_MS) - (2 if operation.kind in ENDS_A_HOLD else 1)
    return NO_EFFECT_AFTER_MS[min(operation.attempt - 1, last)]


def concern(operation: Operation) -> str | None:
    """The kind of case that an outcome opens, or None if it is as it should be.

    A hold that is declined is ordinary. What a settlement wanted and Stripe did not do is not.
    """
    outcome = operation.outcome
    if operation.kind in (Kind.HOLD, Kind.TIP) or outcome is None or outcome == NOT_CAPTURED.outcome:
        # Of money that did not come in, the capture or charge has told already.
        return None
    if outcome.code == NOT_NEEDED:
        return None
    if operation.kind is Kind.REVERSAL and operation.state is State.FAILED:
        # What a practitioner's account no longer holds becomes a debt, by rule.
        return None
    if operation.state is State.FAILED:
        return f"{operation.kind.value}_failed"
    differs = operation.kind is not Kind.CANCEL and outcome.amount_minor != operation.amount_minor
    return f"{operation.kind.value}_differs" if differs else None


def _hold(operation: Operation, facts: Facts, now_ms: int) -> Step:
    match facts.status:
        case "requires_capture" | "succeeded":
            placed = Outcome(
                "placed", facts.amount_minor, charge=facts.charge, capture_before_ms=facts.capture_before_ms
            )
            return Step(State.SUCCEEDED, placed, facts.id)
        case "requires_action":
            asked = Outcome("action_required", facts.amount_minor, url=facts.url)
            return Step(State.SUCCEEDED, asked, facts.id)
        case "processing":
            return retry(operation, now_ms=now_ms)
        case "canceled":
            return Step(State.FAILED, Outcome("canceled", code=facts.code), facts.id)
        case _:
            # Whatever else an intent waits for, no money is held.
            return Step(State.FAILED, Outcome("declined", code=facts.code or facts.status), facts.id)


def _capture(facts: Facts, refused: str | None) -> Step:
    if facts.status == "succeeded":
        captured = Outcome("captured", facts.received_minor, charge=facts.charge)
        return Step(State.SUCCEEDED, captured, facts.id)
    if facts.status == "canceled":
        return Step(State.FAILED, Outcome("canceled", code=refused), facts.id)
    return Step(State.FAILED, _not_ended(facts, refused), facts.id)


def _cancel(facts: Facts, refused: str | None) -> Step:
    if facts.status == "canceled":
        return Step(State.SUCCEEDED, Outcome("canceled"), facts.id)
    if facts.status == "succeeded":
        return Step(State.FAILED, Outcome("captured", facts.received_minor, code=refused), facts.id)
    return Step(State.FAILED, _not_ended(facts, refused), facts.id)


def _not_ended(facts: Facts, refused: str | None) -> Outcome:
    """A hold that is as it was. Only of one that stands the status is `refused`: see `still_holds`."""
    stands = facts.status in ("requires_capture", "requires_action")
    return Outcome("refused" if stands else "declined", code=refused or NO_EFFECT)


def _refund(facts: Facts) -> Step:
    if facts.status in ("failed", "canceled", "requires_action"):
        return Step(State.FAILED, Outcome("refused", code=facts.code or facts.status), facts.id)
    return Step(State.SUCCEEDED, Outcome("refunded", facts.amount_minor), facts.id)


def _evidence(facts: Facts, refused: str | None) -> Step:
    if facts.status == "submitted":
        return Step(State.SUCCEEDED, Outcome("submitted"), facts.id)
    if facts.status in DISPUTE_DECIDED:
        return Step(State.FAILED, Outcome("refused", code=NOT_NEEDED), facts.id)
    return Step(State.FAILED, Outcome("refused", code=refused or NO_EFFECT), facts.id)


def _charge(operation: Operation, facts: Facts, now_ms: int) -> Step:
    if facts.status == "processing":
        return retry(operation, now_ms=now_ms)
    if facts.status == "succeeded":
        return Step(State.SUCCEEDED, Outcome("captured", facts.received_minor, charge=facts.charge), facts.id)
    return Step(State.FAILED, Outcome("declined", code=facts.code or facts.status), facts.id)


def _no(operation: Operation, code: str | None) -> Outcome:
    gone = operation.kind in INTENTS or operation.kind in ENDS_A_HOLD
    return Outcome("declined" if gone else "refused", code=code)


def _renamed(request: Request, name: str) -> Request:
    metadata = request.body.get("metadata")
    if not isinstance(metadata, dict):
        return request
    body: dict[str, object] = {**request.body, "metadata": {**metadata, "operation": name}}
    return structs.replace(request, body=body)
