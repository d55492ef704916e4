"""What follows from an answer of Stripe: row, ledger, next attempt, room, settled session.

The outcome is committed with everything in Postgres that belongs to it, and only then brought to the room.
A crash in between leaves it unapplied, and the next run applies it; every step is harmless the second time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog
from msgspec.structs import replace

from billing import ledger, recovery, requests, stand_in
from billing.payment import TERMINAL, Kind, Operation, Outcome, State, Wanted
from billing.recovery import Step
from hub.workers import promotions, receivables, returns
from rooms.errors import NotFound, NotLive
from rooms.ids import SessionId
from store.postgres import cases, operations, payments, refunds, settlements
from store.postgres.pool import Db

SWEEP: Final = 100
SWEEP_PAGES_MAX: Final = 10
ORPHAN_MS: Final = 600_000
"""A hold whose room has not appeared within this was made for a request that never came to be."""

LOCKED: Final = returns.GUARDED | {Kind.CHARGE}
"""Operations whose outcome is decided under the session's lock; of a charge, which card is asked next."""

ENDS: Final = frozenset({Kind.HOLD, Kind.CAPTURE, Kind.CANCEL, Kind.CHARGE})
"""With the last of these a session that is over is charged. A hold may be it, where nobody knew its fate."""

Apply = Callable[[Operation, Outcome], Awaitable[None]]
Settled = Callable[[SessionId], Awaitable[None]]

log = structlog.get_logger()


class Outcomes:
    """Commits outcomes and brings them to where they count.

    `apply(operation, outcome)` brings a hold's outcome (`placed`, `action_required` or `declined`) to its
    room; it is repeatable and raises NotLive when the room is over and had not counted the hold, NotFound
    when there is no room. `settled(session_id)` tells that a session is charged and recorded; repeatable.
    `now_ms` gives Unix milliseconds. `environment` is part of every idempotency key.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        *,
        apply: Apply,
        settled: Settled,
        now_ms: Callable[[], int],
        environment: str,
    ) -> None:
        self._pool = pool
        self._apply = apply
        self._settled = settled
        self._now_ms = now_ms
        self.environment = environment

    async def record(self, operation: Operation, step: Step) -> Operation | None:
        """Commit a step with all that follows from it; None when the operation was over already."""
        now_ms = self._now_ms()
        async with self._pool.acquire() as connection, connection.transaction():
            if operation.kind in LOCKED:
                # Before the row, as whoever begins a transfer does: two that wait for each other would end.
                await refunds.lock_money(connection, operation.session_id)
            recorded = await operations.outcome(
                connection,
                operation.id,
                step.state,
                next_at_ms=now_ms if step.next_at_ms is None else step.next_at_ms,
                stripe_id=step.stripe_id,
                outcome=step.outcome,
            )
            if recorded is not None and recorded.state in TERMINAL:
                await self._follow(connection, recorded, now_ms)
                if recorded.kind in returns.GUARDED:
                    await returns.follow(connection, recorded, environment=self.environment, now_ms=now_ms)
            return recorded

    async def apply(self, operation: Operation) -> None:
        """Bring an outcome to where it counts, and note that it is there. Harmless the second time."""
        outcome = operation.outcome
        if outcome is None:
            return
        if operation.kind is Kind.HOLD and not await self._apply_hold(operation, outcome):
            return
        if operation.kind in ENDS and await payments.is_charged(self._pool, operation.session_id):
            await self._settled(operation.session_id)
        await operations.applied(self._pool, operation.id, outcome=outcome, now_ms=self._now_ms())

    async def apply_waiting(self) -> int:
        """Repeat the outcomes that have not reached their room; how many there were."""
        seen, last = 0, 0
        for _ in range(SWEEP_PAGES_MAX):
            waiting = await operations.unapplied(self._pool, limit=SWEEP, after=last)
            await side_by_side("payments.apply_failed", [self.apply(operation) for operation in waiting])
            seen += len(waiting)
            if len(waiting) < SWEEP:
                break
            last = waiting[-1].id
        return seen

    async def settle_charged(self) -> int:
        """Tell of ended sessions that are charged and recorded; how many there were."""
        charged = await payments.charged(self._pool, limit=SWEEP)
        await side_by_side("payments.settle_failed", [self._settled(found) for found in charged])
        return len(charged)

    async def open_case(self, kind: str, operation: Operation, db: Db | None = None) -> None:
        """Put something before a person, once per kind and operation, whichever attempt, while it is open."""
        detail = {
            "operation": operation.name,
            "operation_id": operation.id,
            "stripe_id": operation.stripe_id,
            "code": operation.outcome.code if operation.outcome is not None else None,
        }
        session_id = operation.session_id
        opened = await cases.open_case(
            db or self._pool,
            kind,
            session_id=session_id,
            detail=detail,
            now_ms=self._now_ms(),
            subject=operation.name.rpartition(":")[0],
        )
        if opened:
            log.error("payments.case_opened", kind=kind, session_id=session_id, **detail)

    async def _follow(self, db: Db, recorded: Operation, now_ms: int) -> None:
        """Everything that belongs into the transaction of an outcome: booking, next attempt, case."""
        await _book(db, recorded, now_ms)
        wanted = await self._next(db, recorded, now_ms)
        if wanted is not None:
            await self._want(db, recorded, wanted, now_ms)
            if recovery.waits_for_balance(recorded):
                await promotions.balance_short(db, recorded, now_ms=now_ms)
        kind = recovery.concern(recorded) if wanted is None else recovery.delay_concern(recorded)
        if kind is not None:
            await self.open_case(kind, recorded, db)

    async def _next(self, db: Db, recorded: Operation, now_ms: int) -> Wanted | None:
        """What is to be done at Stripe because of this outcome, if anything."""
        if recorded.state is State.SUCCEEDED:
            return requests.transfer_of(recorded)
        if stand_in.is_gone(recorded):
            return await receivables.in_its_stead(db, recorded, now_ms=now_ms)
        wanted = recovery.follow_up(recorded, now_ms=now_ms)
        if wanted is None and recorded.kind is Kind.CHARGE:
            return await receivables.again(db, recorded, now_ms=now_ms)
        return wanted

    async def _apply_hold(self, operation: Operation, outcome: Outcome) -> bool:
        """Tell the room; whether that is done with. A hold that no room will ever use is released."""
        if recovery.follow_up(operation, now_ms=0) is not None:
            # This attempt came to nothing, but the next one is wanted already: no news for the room.
            return True
        if outcome.status == "canceled":
            if operation.state is State.SUCCEEDED:
                # The room counted it while it stood. What is charged is decided by the capture.
                await self._charge_instead(operation)
                return True
            outcome = replace(outcome, status="declined", code=outcome.code or "canceled")
        try:
            await self._apply(operation, outcome)
        except NotLive:
            await self._release(operation, outcome)
        except NotFound:
            if self._now_ms() - operation.created_at_ms < ORPHAN_MS:
                return False
            await self._release(operation, outcome)
        return True

    async def _charge_instead(self, hold: Operation) -> None:
        """A capture that failed while the hold stood has nothing to capture any more: a charge stands in."""
        now_ms = self._now_ms()
        async with self._pool.acquire() as connection, connection.transaction():
            await refunds.lock_money(connection, hold.session_id)
            known = await operations.operations(connection, hold.session_id)
            of_it = (hold.participant_no, hold.ordinal)
            captures = [
                one
                for one in known
                if one.kind is Kind.CAPTURE and (one.participant_no, one.ordinal) == of_it
            ]
            if not captures or any(one.state is not State.FAILED for one in captures):
                return
            wanted = await receivables.in_its_stead(connection, captures[-1], now_ms=now_ms)
            if wanted is not None:
                await self._want(connection, hold, wanted, now_ms)

    async def _release(self, hold: Operation, outcome: Outcome) -> None:
        if hold.stripe_id is None or outcome.status not in ("placed", "action_required"):
            return
        now_ms = self._now_ms()
        wanted = requests.cancel(
            hold.ordinal, hold.amount_minor, hold.currency, intent=hold.stripe_id, at_ms=now_ms
        )
        await self._want(self._pool, hold, wanted, now_ms)

    async def _want(self, db: Db, origin: Operation, wanted: Wanted, now_ms: int) -> None:
        await operations.insert_operations(
            db, self.environment, origin.session_id, origin.participant_no, [wanted], now_ms=now_ms
        )


async def side_by_side(failure: str, work: list[Awaitable[None]]) -> None:
    """Do all of it; what fails is logged under `failure` and stops nothing else."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException):
            log.error(failure, exc_info=result)


async def _book(db: Db, recorded: Operation, now_ms: int) -> None:
    """Money that moved, in the ledger."""
    outcome = recorded.outcome
    if recorded.state is not State.SUCCEEDED or outcome is None:
        return
    if recorded.kind in (Kind.CAPTURE, Kind.CHARGE):
        entries = ledger.captured(outcome.amount_minor, recorded.currency)
    elif recorded.kind is Kind.TIP:
        entries = ledger.tipped(outcome.amount_minor, recorded.currency)
    elif recorded.kind is Kind.TRANSFER:
        entries = ledger.transferred(outcome.amount_minor, recorded.currency)
    else:
        return
    await settlements.book(
        db,
        recorded.session_id,
        recorded.participant_no,
        kind=recorded.kind.value,
        ordinal=recorded.ordinal,
        entries=entries,
        now_ms=now_ms,
    )
