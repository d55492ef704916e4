"""Whether a transfer goes out now, and with how much: decided anew when it is due, in the transaction that
commits it as in flight.

What was wanted at the settlement is frozen. If less is due by now, because money went back or a debt is
open, the operation ends unsent and another takes its place, under a key of its own. What the platform pays
for free time waits for the same decisions, but what goes back of charges takes nothing of it.
"""

from typing import Final, NamedTuple

import asyncpg
from msgspec.structs import replace

from billing import ledger, requests
from billing.payment import Operation, Outcome, Request, State, Wanted, operation_name
from billing.refunding import NOT_DUE, REPLACED
from hub.workers import promotions, returns
from store.money_records import ConnectedAccount, SessionMoney
from store.postgres import disputes, fraud, operations, payouts, refunds, settlements
from store.postgres.pool import Transacting

FROZEN_MS: Final = 3_600_000
"""How long a transfer waits until it is seen again whether a dispute, refund or account holds it up."""


class _Due(NamedTuple):
    """What is due before debts, and of which charge; of none for free time."""

    amount_minor: int
    charge: str | None


async def begin(pool: asyncpg.Pool, leased: Operation, *, environment: str, now_ms: int) -> Operation | None:
    """The transfer as it is committed in flight; None when it does not go out now, or the lease was lost."""
    async with pool.acquire() as connection, connection.transaction():
        session = await refunds.lock_money(connection, leased.session_id)
        # Once sent, what was sent is repeated, whatever has happened since.
        if session is not None and leased.first_sent_at_ms is None:
            goes = await _goes(connection, leased, session, environment=environment, now_ms=now_ms)
            if not goes:
                return None
        return await operations.sent(connection, leased, now_ms=now_ms)


async def _goes(
    connection: Transacting, leased: Operation, session: SessionMoney, *, environment: str, now_ms: int
) -> bool:
    """Whether it goes as it is. If not, it was put off, replaced or dropped."""
    account = await payouts.lock_account(connection, session.practitioner_id)
    if await _is_frozen(connection, leased, account) or await fraud.payouts_held(
        connection, session.practitioner_id
    ):
        await operations.outcome(connection, leased.id, leased.state, next_at_ms=now_ms + FROZEN_MS)
        return False
    if requests.is_promotion(leased) and await promotions.waits_for_person(connection, leased, now_ms=now_ms):
        await operations.outcome(connection, leased.id, leased.state, next_at_ms=now_ms + FROZEN_MS)
        return False
    due = await _due(connection, leased)
    if due is None:
        return True
    due_minor = await _net(connection, leased, session, due, now_ms)
    current = account.stripe_account if account is not None else None
    destination = current or leased.params.body.get("destination")
    if due_minor == leased.amount_minor and destination == leased.params.body.get("destination"):
        return True
    code = REPLACED if due_minor > 0 else NOT_DUE
    await operations.outcome(
        connection, leased.id, State.FAILED, outcome=Outcome("refused", code=code), next_at_ms=now_ms
    )
    if due_minor > 0:
        await operations.insert_operations(
            connection,
            environment,
            leased.session_id,
            leased.participant_no,
            [_instead(leased, due_minor, destination, now_ms)],
            now_ms=now_ms,
        )
    return False


async def _is_frozen(connection: Transacting, leased: Operation, account: ConnectedAccount | None) -> bool:
    """While a bank, an admin or Stripe has still to decide, and while the practitioner can't be paid."""
    if account is not None and not (account.transfers_active and account.stripe_account):
        return True
    return await disputes.open_disputes(connection, leased.session_id) or await refunds.undecided_refunds(
        connection, leased.session_id, leased.participant_no
    )


async def _due(connection: Transacting, leased: Operation) -> _Due | None:
    if requests.is_promotion(leased):
        due_minor = await promotions.due_minor(connection, leased.session_id, leased.participant_no)
        return _Due(due_minor, None)
    charge = leased.params.body.get("source_transaction")
    for paid in await returns.paid_by(connection, leased.session_id, leased.participant_no):
        if paid.charge == charge:
            return _Due(paid.due_minor, paid.charge)
    return None


async def _net(
    connection: Transacting, leased: Operation, session: SessionMoney, due: _Due, now_ms: int
) -> int:
    """What is due, less what is kept against the practitioner's debts."""
    due_minor = max(0, due.amount_minor)
    kept_minor = min(due_minor, await payouts.debt(connection, session.practitioner_id, leased.currency))
    if kept_minor <= 0:
        return due_minor
    kept = await refunds.insert_deduction(
        connection,
        leased.session_id,
        leased.participant_no,
        kind="netting",
        charge=due.charge,
        amount_minor=0,
        practitioner_minor=kept_minor,
        now_ms=now_ms,
    )
    await settlements.book(
        connection,
        leased.session_id,
        leased.participant_no,
        kind="netting",
        ordinal=kept.ordinal,
        entries=ledger.netted(kept_minor, leased.currency),
        now_ms=now_ms,
    )
    return due_minor - kept_minor


def _instead(leased: Operation, amount_minor: int, destination: object, now_ms: int) -> Wanted:
    """The next attempt: this much, to the account that is in use now."""
    attempt = leased.attempt + 1
    name = operation_name(leased.participant_no, leased.kind, leased.ordinal, attempt)
    body: dict[str, object] = {
        **leased.params.body,
        "amount": amount_minor,
        "destination": destination,
        "metadata": {"session_id": leased.session_id, "operation": name},
    }
    request: Request = replace(leased.params, body=body)
    return Wanted(leased.kind, leased.ordinal, amount_minor, leased.currency, request, now_ms, attempt)
