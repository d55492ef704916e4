"""Refunds that fail after they were made: the guest's bank sent the money back, days later.

The money is the platform's again, what the practitioner had given back of it is due to them again, and a
person has to see to it that the guest is paid in another way, or once more.
"""

from collections.abc import Callable
from typing import Final

import asyncpg
import structlog

from billing.payment import Kind, Operation, Outcome, State
from billing.stripe_gateway import StripeGateway
from billing.stripe_records import Refund
from hub.workers import returns
from hub.workers.webhooks import TooEarly
from store.money_records import DeductionRow
from store.postgres import cases, operations, refunds
from store.postgres.pool import Transacting

EVENT: Final = "refund.failed"
NEWS: Final = frozenset({EVENT, "refund.updated", "charge.refund.updated"})
FAILED: Final = frozenset({"failed", "canceled"})

log = structlog.get_logger()


class FailedRefunds:
    """Applies what Stripe tells about refunds that were made. `now_ms` gives Unix milliseconds."""

    def __init__(
        self, pool: asyncpg.Pool, gateway: StripeGateway, *, environment: str, now_ms: Callable[[], int]
    ) -> None:
        self._pool = pool
        self._gateway = gateway
        self._environment = environment
        self._now_ms = now_ms

    async def apply(self, refund_id: str) -> str | None:
        """Read a refund anew and do what follows; why nothing was to be done, if so. May be repeated.

        Raises StripeUnavailable, TooEarly.
        """
        found = await self._gateway.read(self._gateway.api.refunds.retrieve_async(refund_id), Refund)
        if found is None or found.facts().session_id is None:
            return "not ours"
        if found.status not in FAILED:
            return "stands"
        made = await self._made(refund_id)
        async with self._pool.acquire() as connection, connection.transaction():
            await refunds.lock_money(connection, made.session_id)
            return await self._fail(connection, made.id, found.failure_reason or found.status)

    async def _made(self, refund_id: str) -> Operation:
        """Our operation that made it."""
        for operation in await operations.operations_on(self._pool, refund_id):
            if operation.kind is Kind.REFUND:
                return operation
        raise TooEarly(refund_id)

    async def _fail(self, connection: Transacting, operation_id: int, code: str) -> str | None:
        made = await operations.operation(connection, operation_id)
        if made is None or made.state is State.FAILED or made.outcome is None:
            # Known already, or it had failed before we took it for made.
            return "no change"
        if made.state is not State.SUCCEEDED:
            raise TooEarly(made.name)
        failed = await operations.revise(
            connection,
            made.id,
            seen=made.outcome,
            state=State.FAILED,
            outcome=Outcome("refused", code=code),
        )
        if failed is None:
            raise TooEarly(made.name)
        now_ms = self._now_ms()
        await returns.refund_came_back(connection, failed, environment=self._environment, now_ms=now_ms)
        await self._tell(connection, failed, code, now_ms)
        return None

    async def _tell(self, connection: Transacting, failed: Operation, code: str, now_ms: int) -> None:
        known = await refunds.deductions(connection, failed.session_id, failed.participant_no)
        detail = {
            "operation": failed.name,
            "refund_id": _refund_of(known, failed.ordinal),
            "amount_minor": failed.amount_minor,
            "currency": failed.currency,
            "code": code,
        }
        await cases.open_case(
            connection,
            "refund_failed",
            session_id=failed.session_id,
            detail=detail,
            now_ms=now_ms,
            subject=failed.stripe_id,
        )
        log.error("refund.failed_later", session_id=failed.session_id, operation=failed.name, code=code)


def _refund_of(known: list[DeductionRow], ordinal: int) -> str | None:
    """The refund as an admin asked for it, of which the operation was a part."""
    return next((one.refund_id for one in known if one.ordinal == ordinal), None)
