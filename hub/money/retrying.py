"""An admin wants once more what failed at Stripe for good: another attempt, under another key, with a reason.

Only what failed definitively, whose effect is not there, and which no other attempt is about to bring about.
What goes back to a guest is asked for as a new refund; what could not be reversed is a debt already.
"""

from typing import Final

from billing import recovery, requests
from billing.payment import TERMINAL, Kind, Operation, State, Wanted
from billing.recovery import DISPUTE_DECIDED, NOT_NEEDED
from billing.refunding import NOT_DUE, REPLACED
from billing.stripe_gateway import StripeUnavailable
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.workers import promotions, receivables, returns
from store.postgres import admin, disputes, operations, refunds
from store.postgres.pool import Transacting

RETRIABLE: Final = frozenset({Kind.CAPTURE, Kind.CANCEL, Kind.TRANSFER, Kind.CHARGE, Kind.EVIDENCE})
UNSENT: Final = frozenset({REPLACED, NOT_DUE, NOT_NEEDED, "not_captured"})
"""Codes of operations that ended without being sent: there is nothing to try again."""


async def retry(hub: Hub, who: Principal, operation_id: int, reason: str) -> Operation:
    """The new attempt. Raises Refused: `not_found`, `unavailable` without Stripe, or `conflict`, whose field
    `operation` says why: `not_retriable`, `not_failed`, `under_way`, `took_effect` or `not_due`.
    """
    failed = await operations.operation(hub.pool, operation_id)
    if failed is None:
        raise Refused(Code.NOT_FOUND, "There is no such operation.")
    await _require_no_effect(hub, failed)
    async with hub.pool.acquire() as connection, connection.transaction():
        await refunds.lock_money(connection, failed.session_id)
        known = await operations.operations(connection, failed.session_id)
        _require_failed(failed, known)
        wanted = await _wanted(hub, connection, failed, known)
        inserted, *_ = await operations.insert_operations(
            connection,
            hub.offer.environment,
            failed.session_id,
            failed.participant_no,
            [wanted, *_passed_on(failed, known, at_ms=hub.now_ms())],
            now_ms=hub.now_ms(),
        )
        await admin.note_action(
            connection,
            who.user_id,
            "operation_retried",
            subject=str(failed.id),
            session_id=failed.session_id,
            reason=reason,
            detail={"operation": failed.name, "attempt": wanted.attempt, "amount_minor": wanted.amount_minor},
            now_ms=hub.now_ms(),
            keyring=hub.keyring,
            about=await refunds.charged(connection, failed.session_id, failed.participant_no),
        )
        again = await operations.operation(connection, inserted)
        return again or failed


def may_retry(failed: Operation, known: list[Operation]) -> bool:
    """Whether, as far as our own record says, another attempt makes sense."""
    try:
        _require_failed(failed, known)
    except Refused:
        return False
    return True


async def _require_no_effect(hub: Hub, failed: Operation) -> None:
    """Stripe is asked first: what our record takes for failed may have been done all the same."""
    if failed.kind not in RETRIABLE or failed.state is not State.FAILED:
        return
    try:
        facts = await hub.stripe.find(failed)
    except StripeUnavailable:
        raise Refused(Code.UNAVAILABLE, "Stripe can't be reached just now; please try again.") from None
    if facts is None:
        return
    if failed.kind is Kind.EVIDENCE and facts.status in DISPUTE_DECIDED:
        raise _conflict("not_due", "The bank has decided; it looks at no evidence any more.")
    if recovery.conclude(failed, facts, now_ms=hub.now_ms()).state is State.SUCCEEDED:
        raise _conflict("took_effect", "At Stripe it was done. The reconciler has opened a case, or will.")


def _require_failed(failed: Operation, known: list[Operation]) -> None:
    code = failed.outcome.code if failed.outcome is not None else None
    if failed.kind not in RETRIABLE or code in UNSENT:
        raise _conflict("not_retriable", "This is not tried again; see what came in its place.")
    if failed.state is not State.FAILED:
        raise _conflict("not_failed", "It has not failed.")
    same = [
        one
        for one in known
        if (one.participant_no, one.kind, one.ordinal) == (failed.participant_no, failed.kind, failed.ordinal)
    ]
    if any(one.state is State.SUCCEEDED for one in same):
        raise _conflict("took_effect", "Another attempt has done it.")
    if failed.kind in recovery.ENDS_A_HOLD and (_is_over(failed) or _has_stand_in(failed, known)):
        raise _conflict("not_retriable", "The hold is over; see what came in its place.")
    if any(one.state not in TERMINAL or one.attempt > failed.attempt for one in same):
        raise _conflict("under_way", "Another attempt is under way, or came after this one.")


def _is_over(failed: Operation) -> bool:
    """Whether a hold was captured that should have been released."""
    return failed.outcome is not None and failed.outcome.status == "captured"


def _has_stand_in(failed: Operation, known: list[Operation]) -> bool:
    of_it = (failed.participant_no, failed.ordinal)
    return any(one.kind is Kind.CHARGE and (one.participant_no, one.ordinal) == of_it for one in known)


def _passed_on(failed: Operation, known: list[Operation], *, at_ms: int) -> list[Wanted]:
    """With a capture, the transfer that had been given up because of it."""
    if failed.kind is not Kind.CAPTURE:
        return []
    of_it = (Kind.TRANSFER, failed.participant_no, failed.ordinal)
    transfers = [one for one in known if (one.kind, one.participant_no, one.ordinal) == of_it]
    given_up = transfers and transfers[-1].outcome == recovery.NOT_CAPTURED.outcome
    return [recovery.next_attempt(transfers[-1], at_ms=at_ms)] if given_up else []


async def _wanted(hub: Hub, connection: Transacting, failed: Operation, known: list[Operation]) -> Wanted:
    if failed.kind is Kind.TRANSFER:
        await _require_due(connection, failed)
    if failed.kind is Kind.CHARGE:
        again = await receivables.at_once(connection, failed, now_ms=hub.now_ms())
        if again is None:
            raise _conflict("not_due", "Nothing is asked of this guest any more.")
        return again
    if failed.kind is Kind.EVIDENCE:
        dispute = await disputes.dispute(connection, failed.params.target or "")
        if dispute is None or dispute.closed_at_ms is not None:
            raise _conflict("not_due", "The bank has decided; it looks at no evidence any more.")
    return recovery.next_attempt(failed, at_ms=hub.now_ms())


async def _require_due(connection: Transacting, failed: Operation) -> None:
    """How much goes out, and to which account, is decided when it begins; here, whether anything does."""
    session_id, participant_no = failed.session_id, failed.participant_no
    if requests.is_promotion(failed):
        due_minor = await promotions.due_minor(connection, session_id, participant_no)
    else:
        charge = failed.params.body.get("source_transaction")
        paid = await returns.paid_by(connection, session_id, participant_no)
        due_minor = sum(one.due_minor for one in paid if one.charge == charge)
    if due_minor <= 0:
        raise _conflict("not_due", "Nothing of it is owed to the practitioner any more.")


def _conflict(why: str, message: str) -> Refused:
    return Refused(Code.CONFLICT, message, fields={"operation": why})
