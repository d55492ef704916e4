"""What follows when money went back or on: ledger, the refund's own state, and what has to be reversed.

It runs in the transaction of the outcome, under the session's lock. A reversal is wanted for whatever a
practitioner's account has of a charge beyond what is due of it, so it does not matter which came first: the
refund, the dispute or the transfer.
"""

from typing import Final

from billing import ledger, refunding, requests
from billing.payment import Kind, Operation, State, Wanted
from billing.recovery import NO_EFFECT
from billing.refunding import Paid
from rooms.ids import SessionId
from store.money_records import DeductionRow, Refund
from store.postgres import operations, refunds, settlements
from store.postgres.pool import Db

GUARDED: Final = frozenset({Kind.REFUND, Kind.REVERSAL, Kind.TRANSFER})
"""Operations whose beginning and outcome are decided under the session's lock."""


async def follow(db: Db, recorded: Operation, *, environment: str, now_ms: int) -> None:
    """Everything that an outcome of a refund, reversal or transfer entails."""
    session_id, participant_no = recorded.session_id, recorded.participant_no
    if recorded.kind is Kind.REFUND:
        await _refunded(db, recorded, now_ms)
    elif recorded.kind is Kind.REVERSAL:
        await _reversed(db, recorded, now_ms)
    await bring_back(db, session_id, participant_no, environment=environment, now_ms=now_ms)


async def bring_back(
    db: Db, session_id: SessionId, participant_no: int, *, environment: str, now_ms: int
) -> int:
    """Want a reversal for each charge of which the practitioner has more than is due, and a transfer where
    what had come back is due once more; how many there are. Under the session's lock.
    """
    known = await operations.operations(db, session_id)
    reversals = [
        one.ordinal for one in known if (one.kind, one.participant_no) == (Kind.REVERSAL, participant_no)
    ]
    ordinal = max(reversals, default=0)
    wanted = []
    for paid in await paid_by(db, session_id, participant_no, known):
        for sent in paid.back:
            ordinal += 1
            wanted.append(
                requests.reversal(
                    session_id,
                    participant_no,
                    ordinal=ordinal,
                    amount_minor=sent.left_minor,
                    currency=paid.currency,
                    transfer_id=sent.transfer,
                    at_ms=now_ms,
                )
            )
        if paid.owed_minor:
            await _owe(db, session_id, participant_no, paid, now_ms)
        if paid.goes_on and paid.last is not None:
            wanted.append(_once_more(paid, paid.last, now_ms))
    await operations.insert_operations(db, environment, session_id, participant_no, wanted, now_ms=now_ms)
    return len(wanted)


async def _owe(db: Db, session_id: SessionId, participant_no: int, paid: Paid, now_ms: int) -> None:
    """What had paid a debt of the practitioner's has gone back to the guest: it is owed again."""
    owed = await refunds.insert_deduction(
        db,
        session_id,
        participant_no,
        kind="debt",
        charge=paid.charge,
        amount_minor=0,
        practitioner_minor=paid.owed_minor,
        now_ms=now_ms,
    )
    await settlements.book(
        db,
        session_id,
        participant_no,
        kind="netted_back",
        ordinal=owed.ordinal,
        entries=ledger.indebted(paid.owed_minor, paid.currency),
        now_ms=now_ms,
    )


def _once_more(paid: Paid, last: Operation, now_ms: int) -> Wanted:
    """What is due again of a charge. How much it is then, and to which account, is decided when it begins."""
    return requests.transfer(
        last.session_id,
        last.participant_no,
        ordinal=last.ordinal + requests.AGAIN,
        amount_minor=paid.due_minor,
        currency=paid.currency,
        destination=str(last.params.body["destination"]),
        charge=paid.charge,
        at_ms=now_ms,
    )


async def stage_refund(db: Db, approved: Refund, *, environment: str, now_ms: int) -> None:
    """What an approved refund takes of which charge, and the calls that Stripe is to get. Raises TooMuch."""
    session_id, participant_no = approved.session_id, approved.participant_no
    paid = await paid_by(db, session_id, participant_no)
    for part in refunding.plan(paid, approved.amount_minor):
        deduction = await refunds.insert_deduction(
            db,
            session_id,
            participant_no,
            kind="refund",
            charge=part.paid.charge,
            amount_minor=part.amount_minor,
            practitioner_minor=part.practitioner_minor,
            now_ms=now_ms,
            refund_id=approved.id,
        )
        wanted = requests.refund(
            session_id,
            participant_no,
            ordinal=deduction.ordinal,
            amount_minor=part.amount_minor,
            currency=approved.currency,
            intent=part.paid.intent,
            at_ms=now_ms,
        )
        await operations.insert_operations(
            db, environment, session_id, participant_no, [wanted], now_ms=now_ms
        )


async def refund_came_back(db: Db, failed: Operation, *, environment: str, now_ms: int) -> None:
    """A refund that had been made has failed: book the money back, and let all that followed follow anew.

    Its deduction takes up nothing any more, now that the operation has failed. Under the session's lock.
    """
    deduction = await _deduction(db, failed)
    await settlements.book(
        db,
        failed.session_id,
        failed.participant_no,
        kind="refund_failed",
        ordinal=failed.ordinal,
        entries=ledger.refund_failed(failed.amount_minor, deduction.practitioner_minor, failed.currency),
        now_ms=now_ms,
    )
    await refunds.finish_refund(db, failed.session_id, failed.participant_no, failed.ordinal)
    await bring_back(db, failed.session_id, failed.participant_no, environment=environment, now_ms=now_ms)


async def paid_by(
    db: Db, session_id: SessionId, participant_no: int, known: list[Operation] | None = None
) -> list[Paid]:
    """A guest's collected charges as they stand. Decide by them under the session's lock alone."""
    if known is None:
        known = await operations.operations(db, session_id)
    return refunding.paid(
        known,
        await refunds.deductions(db, session_id, participant_no),
        participant_no=participant_no,
        earned_minor=await refunds.earned_part(db, session_id, participant_no),
    )


async def _refunded(db: Db, recorded: Operation, now_ms: int) -> None:
    session_id, participant_no, ordinal = recorded.session_id, recorded.participant_no, recorded.ordinal
    if recorded.state is State.SUCCEEDED:
        deduction = await _deduction(db, recorded)
        await settlements.book(
            db,
            session_id,
            participant_no,
            kind="refund",
            ordinal=ordinal,
            entries=ledger.refunded(recorded.amount_minor, deduction.practitioner_minor, recorded.currency),
            now_ms=now_ms,
        )
    await refunds.finish_refund(db, session_id, participant_no, ordinal)


async def _deduction(db: Db, refund: Operation) -> DeductionRow:
    for found in await refunds.deductions(db, refund.session_id, refund.participant_no):
        if found.ordinal == refund.ordinal:
            return found
    raise LookupError("A refund without its deduction.")


async def _reversed(db: Db, recorded: Operation, now_ms: int) -> None:
    """The money is back, or it is owed. An attempt without effect is wanted again, and says nothing yet."""
    if recorded.state is State.SUCCEEDED:
        kind, entries = "reversal", ledger.returned(recorded.amount_minor, recorded.currency)
    elif recorded.outcome is not None and recorded.outcome.code == NO_EFFECT:
        return
    else:
        kind, entries = "debt", ledger.indebted(recorded.amount_minor, recorded.currency)
    await settlements.book(
        db,
        recorded.session_id,
        recorded.participant_no,
        kind=kind,
        ordinal=recorded.ordinal,
        entries=entries,
        now_ms=now_ms,
    )
