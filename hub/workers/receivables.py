"""What a guest owes is asked for again: by the schedule, and of another card as soon as there is one."""

import asyncpg
import structlog

from billing import stand_in
from billing.payment import Kind, Operation, Outcome, State, Wanted
from billing.refunding import REPLACED
from rooms.ids import SessionId, UserId
from store.postgres import operations, people, receivables, refunds, restitutions
from store.postgres.pool import Db, Transacting

log = structlog.get_logger()


async def again(db: Db, declined: Operation, *, now_ms: int) -> Wanted | None:
    """The next attempt at a charge that was declined, if there is one. Under the session's lock.

    Of a guest to whom it would go back nothing is asked any more.
    """
    card = await _card(db, declined)
    if card is None:
        return None
    customer, payment_method = card
    return stand_in.again(
        declined,
        await operations.operations(db, declined.session_id),
        customer=customer,
        payment_method=payment_method,
        now_ms=now_ms,
    )


async def in_its_stead(db: Db, capture: Operation, *, now_ms: int) -> Wanted | None:
    """The charge in place of a capture whose hold is gone, if anything is asked of this guest."""
    if await is_let_off(db, capture):
        return None
    return stand_in.charge(capture, await operations.operations(db, capture.session_id), now_ms=now_ms)


async def is_let_off(db: Db, operation: Operation) -> bool:
    """Whether an operation's money would go back to its guest, so that nothing more is asked of them."""
    debtor = await receivables.debtor(db, operation.session_id, operation.participant_no)
    return debtor is not None and await restitutions.is_ordered(db, debtor, operation.session_id)


async def at_once(db: Db, declined: Operation, *, now_ms: int) -> Wanted | None:
    """The next attempt now, with the card that the guest has, whatever the schedule says."""
    card = await _card(db, declined)
    if card is None:
        return None
    customer, payment_method = card
    return stand_in.with_card(declined, customer=customer, payment_method=payment_method, at_ms=now_ms)


async def _card(db: Db, declined: Operation) -> tuple[str, str] | None:
    """Customer and payment method that a guest is charged by now; None when nothing is asked of them."""
    debtor = await receivables.debtor(db, declined.session_id, declined.participant_no)
    if debtor is None or await restitutions.is_ordered(db, debtor, declined.session_id):
        return None
    card = await people.card(db, debtor)
    if card is not None:
        return card.stripe_customer, card.stripe_payment_method
    body = declined.params.body
    return str(body["customer"]), str(body["payment_method"])


async def ask_new_card(pool: asyncpg.Pool, guest_id: UserId, *, environment: str, now_ms: int) -> int:
    """Charge the card that a guest has now with what they owe, at once; how many charges were wanted.

    Harmless the second time: a charge that this card was asked for is left to its schedule.
    """
    owing = sorted({one.session_id for one in await receivables.owed(pool, guest_id)})
    wanted = 0
    for session_id in owing:
        async with pool.acquire() as connection, connection.transaction():
            await refunds.lock_money(connection, session_id)
            wanted += await _ask(connection, session_id, guest_id, environment=environment, now_ms=now_ms)
    return wanted


async def _ask(
    connection: Transacting, session_id: SessionId, guest_id: UserId, *, environment: str, now_ms: int
) -> int:
    card = await people.card(connection, guest_id)
    if card is None or await restitutions.is_ordered(connection, guest_id, session_id):
        return 0
    known = await operations.operations(connection, session_id)
    owed = [one for one in await receivables.owed(connection, guest_id) if one.session_id == session_id]
    count = 0
    for one in owed:
        attempts = [
            op
            for op in known
            if (op.kind, op.participant_no, op.ordinal) == (Kind.CHARGE, one.participant_no, one.ordinal)
        ]
        latest = max(attempts, key=lambda op: op.attempt)
        if latest.params.body["payment_method"] == card.stripe_payment_method:
            continue
        if latest.state is not State.FAILED:
            # What waits for its day gives way; what is being sent decides by itself which card comes next.
            outcome = Outcome("declined", code=REPLACED)
            if await operations.retract(connection, latest.id, outcome=outcome, now_ms=now_ms) is None:
                continue
        wanted = stand_in.again(
            latest,
            known,
            customer=card.stripe_customer,
            payment_method=card.stripe_payment_method,
            now_ms=now_ms,
        )
        if wanted is None:
            continue
        await operations.insert_operations(
            connection, environment, session_id, one.participant_no, [wanted], now_ms=now_ms
        )
        log.info("charge.new_card", session_id=session_id, ordinal=one.ordinal, attempt=wanted.attempt)
        count += 1
    return count
