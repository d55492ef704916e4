"""What the platform pays practitioners for free time: what is due, its transfer, and a balance too short.

No charge stands behind it, so it can go out only while the platform's own balance covers it. Until then it is
asked for again and again, under a new key each time, since Stripe's no is final; it is never given up.
"""

import structlog

from billing import promotion, requests
from billing.payment import Operation, Wanted
from rooms.ids import SessionId
from store.postgres import cases, operations, payouts, refunds
from store.postgres.pool import Db

BALANCE_SHORT = "balance_short"
"""The kind of the one case a currency that asks an operator to top up the platform's balance."""

PROMOTIONS_MANY = "promotions_many"
"""The kind of a case about more free time than one practitioner earns by in a day. Closed, it goes out."""

log = structlog.get_logger()


async def due_minor(db: Db, session_id: SessionId, participant_no: int) -> int:
    """What is still to be transferred for a guest's free time. Decide by it under the session's lock."""
    return promotion.due_minor(
        await operations.operations(db, session_id),
        await refunds.deductions(db, session_id, participant_no),
        participant_no=participant_no,
        promotion_minor=await refunds.promised_part(db, session_id, participant_no),
    )


async def unstaged(
    db: Db,
    session_id: SessionId,
    participant_no: int,
    known: list[Operation],
    *,
    currency: str,
    destination: str,
    at_ms: int,
) -> list[Wanted]:
    """The transfer that could not be wanted with the settlement, if one is owed and none was wanted since."""
    if any(requests.is_promotion(one) and one.participant_no == participant_no for one in known):
        return []
    amount_minor = await refunds.promised_part(db, session_id, participant_no)
    if amount_minor == 0:
        return []
    return [
        requests.promotion(
            session_id,
            participant_no,
            amount_minor=amount_minor,
            currency=currency,
            destination=destination,
            at_ms=at_ms,
        )
    ]


async def waits_for_person(db: Db, leased: Operation, *, now_ms: int) -> bool:
    """Whether the free time of a day is so much that a person looks at it first; opens the case."""
    promised_minor = await payouts.promised_within(
        db, leased.session_id, leased.participant_no, span_ms=promotion.DAY_MS
    )
    if promised_minor <= promotion.day_max_minor(leased.currency):
        return False
    subject = str(leased.participant_no)
    if await cases.was_closed(db, PROMOTIONS_MANY, session_id=leased.session_id, subject=subject):
        return False
    opened = await cases.open_case(
        db,
        PROMOTIONS_MANY,
        session_id=leased.session_id,
        detail={
            "operation": leased.name,
            "amount_minor": leased.amount_minor,
            "currency": leased.currency,
            "promised_minor": promised_minor,
        },
        now_ms=now_ms,
        subject=subject,
    )
    if opened:
        log.error("payments.promotions_many", session_id=leased.session_id, promised_minor=promised_minor)
    return True


async def balance_short(db: Db, refused: Operation, *, now_ms: int) -> None:
    """Ask an operator for money: one case a currency while it is open. The transfer is tried again anyway."""
    about = {
        "operation": refused.name,
        "session_id": refused.session_id,
        "amount_minor": refused.amount_minor,
    }
    opened = await cases.open_case(
        db,
        BALANCE_SHORT,
        session_id=None,
        detail=about,
        now_ms=now_ms,
        subject=refused.currency,
    )
    if opened:
        log.error("payments.balance_short", session_id=refused.session_id, currency=refused.currency)
