"""Sends payment operations to Stripe.

An operation is committed as in flight before it is sent, and sent with no transaction open. Whatever dies in
between, the next run finds the row where it was: it sends under the same key, or looks the object up.
"""

from collections.abc import Awaitable, Callable
from typing import Final, Literal

import asyncpg
import structlog

from billing import recovery, requests
from billing.payment import TERMINAL, Kind, Operation, Outcome, State
from billing.recovery import Step
from billing.refunding import NOT_DUE
from billing.stripe_gateway import StripeGateway, StripeUnavailable
from hub.workers import receivables, transfers
from hub.workers.outcomes import Outcomes, side_by_side
from store.postgres import operations

AT_ONCE: Final = 16
"""Operations that one run sends side by side."""
LEASE_MS: Final = 25_000
"""Longer than a call and a look-up can take, so that nobody else sends what this run is sending."""
CAPTURE_WAIT_MS: Final = 60_000

Point = Literal["committed", "answered", "recorded"]
Reached = Callable[[Point, Operation], Awaitable[None]]

log = structlog.get_logger()


async def _go_on(point: Point, operation: Operation) -> None:
    """Nothing waits at a recovery point."""


class Payments:
    """The payments duty of a worker. `now_ms` gives Unix milliseconds; `reached` is awaited at each recovery
    point. Several may run at once, in one process or many.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        gateway: StripeGateway,
        outcomes: Outcomes,
        *,
        now_ms: Callable[[], int],
        reached: Reached = _go_on,
    ) -> None:
        self._pool = pool
        self._gateway = gateway
        self._outcomes = outcomes
        self._now_ms = now_ms
        self._reached = reached

    async def run_once(self) -> int:
        """Send what is due, apply what is not applied, settle what is charged; how much there was to do.

        Raises what Postgres raises. What goes wrong with one operation is logged, and stops no other.
        """
        leased = await operations.due(self._pool, now_ms=self._now_ms(), limit=AT_ONCE, lease_ms=LEASE_MS)
        await side_by_side("payments.send_failed", [self._carry_out(operation) for operation in leased])
        applied = await self._outcomes.apply_waiting()
        return len(leased) + applied + await self._outcomes.settle_charged()

    async def _carry_out(self, leased: Operation) -> None:
        """One operation, from its lease to the room."""
        step = await self._without_sending(leased)
        if step is None:
            sending = await self._begin(leased)
            if sending is None:
                return
            await self._reached("committed", sending)
            step = await self._ask(sending)
            await self._reached("answered", sending)
        recorded = await self._outcomes.record(leased, step)
        if recorded is not None and recorded.state in TERMINAL:
            await self._reached("recorded", recorded)
            await self._outcomes.apply(recorded)

    async def _begin(self, leased: Operation) -> Operation | None:
        """The operation as it is committed in flight; None when it does not go out now."""
        now_ms = self._now_ms()
        if leased.kind is Kind.TRANSFER:
            environment = self._outcomes.environment
            return await transfers.begin(self._pool, leased, environment=environment, now_ms=now_ms)
        return await operations.sent(self._pool, leased, now_ms=now_ms)

    async def _without_sending(self, leased: Operation) -> Step | None:
        """What becomes of an operation that is not to be sent, or not yet; None if it is."""
        now_ms = self._now_ms()
        if recovery.is_abandoned(leased, now_ms):
            return recovery.ABANDONED
        if leased.kind is Kind.CHARGE and leased.state is State.PENDING:
            let_off = await receivables.is_let_off(self._pool, leased)
            return Step(State.FAILED, Outcome("declined", code=NOT_DUE)) if let_off else None
        if leased.kind is not Kind.TRANSFER or leased.ordinal >= requests.LATER_FROM:
            # The transfer of a charge or tip is wanted only once that has come in.
            return None
        captures = {
            known.state
            for known in await operations.operations(self._pool, leased.session_id)
            if (known.kind, known.participant_no, known.ordinal)
            == (Kind.CAPTURE, leased.participant_no, leased.ordinal)
        }
        if State.SUCCEEDED in captures:
            return None
        if captures <= {State.FAILED}:
            return recovery.NOT_CAPTURED
        return Step(leased.state, next_at_ms=now_ms + CAPTURE_WAIT_MS)

    async def _ask(self, operation: Operation) -> Step:
        """Send it, or look for what an earlier sending did."""
        if recovery.must_look_up(operation, self._now_ms()):
            await self._outcomes.open_case("payment_unknown", operation)
            return await self._look_up(operation)
        reply = await self._gateway.send(operation)
        log.info(
            "payments.answered",
            session_id=operation.session_id,
            operation=operation.name,
            answer=reply.answer,
            code=reply.code,
        )
        step = recovery.after(operation, reply, now_ms=self._now_ms())
        refused = reply.code if reply.answer == "refused" else None
        return step if step is not None else await self._look_up(operation, refused=refused)

    async def _look_up(self, operation: Operation, *, refused: str | None = None) -> Step:
        try:
            facts = await self._gateway.find(operation)
        except StripeUnavailable as error:
            log.warning("payments.look_up_failed", operation=operation.name, reason=str(error))
            return recovery.retry(operation, now_ms=self._now_ms())
        if facts is None:
            return recovery.absent(operation, refused=refused)
        return recovery.conclude(operation, facts, refused=refused, now_ms=self._now_ms())
