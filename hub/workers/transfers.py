"""Whether a transfer goes out now, and with how much: decided anew when it is due, in the transaction that
commits it as in flight.

What was wanted at the settlement is frozen. If less is due by now, because money went back or a debt is
open, the operation ends unsent and another takes its place, under a key of its own.
"""

from typing import Final

import asyncpg
from msgspec.structs import replace

from billing import ledger
from billing.payment import Operation, Outcome, Request, State, Wanted, operation_name
from billing.refunding import NOT_DUE, REPLACED, Paid
from hub.workers import returns
from store.money_records import ConnectedAccount, SessionMoney
from store.postgres import disputes, operations, payouts, refunds, settlements
from store.postgres.pool import Transacting

FROZEN_MS: Final = 3_600_000
"""How long a transfer waits until it is seen again whether a dispute, refund or account holds it up."""


async def begin(pool: asyncpg.Pool, leased: Operation, *, environment: str, now_ms: int) -> Operation | None:
    """The transfer as it is committed in flight; None when it does not go out now, or the lease was lost."""
    async with pool.acquire() as connection, connection.transaction():
        session = await refunds.lock_money(connection, leased.session_id)
        # Once sent, what was sent is repeated, whatever has happened since.
        if session is not None and leased.first_sent_at_ms is None:
            goes = await _goes(connection, leased, session, environment=environment, now_ms=now_ms)
            if not goes:
                return None
        return await operations.sent(
            connection, leased.id, lease_until_ms=leased.lease_until_ms, now_ms=now_ms
        )


async def _goes(
    connection: Transacting, leased: Operation, session: SessionMoney, *, environment: str, now_ms: int
) -> bool:
    """Whether it goes as it is. If not, it was put off, replaced or dropped."""
    account = await payouts.lock_account(connection, session.practitioner_id)
    if await _is_frozen(connection, leased, account):
        await operations.outcome(connection, leased.id, leased.state, next_at_ms=now_ms + FROZEN_MS)
        return False
    paid = await _paid(connection, leased)
    if paid is None:
        return True
    due_minor = await _net(connection, leased, session, paid, now_ms)
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


async def _paid(connection: Transacting, leased: Operation) -> Paid | None:
    charge = leased.params.body.get("source_transaction")
    for paid in await returns.paid_by(connection, leased.session_id, leased.participant_no):
        if paid.charge == charge:
            return paid
    return None


async def _net(
    connection: Transacting, leased: Operation, session: SessionMoney, paid: Paid, now_ms: int
) -> int:
    """What is due of the charge, less what is kept against the practitioner's debts."""
    due_minor = max(0, paid.due_minor)
    kept_minor = min(due_minor, await payouts.debt(connection, session.practitioner_id, paid.currency))
    if kept_minor <= 0:
        return due_minor
    kept = await refunds.insert_deduction(
        connection,
        leased.session_id,
        leased.participant_no,
        kind="netting",
        charge=paid.charge,
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
        entries=ledger.netted(kept_minor, paid.currency),
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
