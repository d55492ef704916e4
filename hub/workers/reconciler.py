"""Compares what Stripe has with what is on our record. A difference opens a case; nothing is mended silently.

It reads Stripe's lists in windows of time, each once, well after everything in it should have been recorded:
events that never reached us enter the inbox as if they had; intents and transfers have to be operations of
ours; each movement of the platform's balance has to be one that we know, to the unit. The other way round,
each operation that moved money is looked up once, and the balance has to be what all movements add up to.
"""

from collections.abc import AsyncIterator, Callable, Collection
from typing import Any, Final, TypeVar

import asyncpg
import structlog

from billing import recovery
from billing.payment import Facts, Kind, Operation, State
from billing.stripe_gateway import Listing, StripeGateway, StripeUnavailable, TooMany
from billing.stripe_objects import Intent, Transfer
from billing.stripe_records import BalanceTransaction, Event
from hub.workers import failed_refunds, movements
from hub.workers.movements import Movements
from rooms.ids import SessionId
from store.postgres import cases, inbox, reconciliation

WINDOW_S: Final = 14_400
WINDOW_MIN_S: Final = 60
"""A window in which there is more than is read of one list is halved, down to this."""
WINDOWS_MAX: Final = 24
"""Windows of one list that one run reads: after a long outage it catches up over several runs."""
FIRST_S: Final = 172_800
"""How far back the first run begins: twice as long as anything is tried again under its key."""
OVERLAP_S: Final = 600
"""How much of what was read is read again: at Stripe, too, something may appear a little after its time."""
SETTLED_S: Final = 900
"""What is younger may still be on its way into our record."""
EVENT_LAG_S: Final = 120
"""An event that is younger may still be delivered by itself."""
OPERATIONS: Final = 100

log = structlog.get_logger()


D = TypeVar("D", Event, BalanceTransaction, Intent, Transfer)


class Reconciler:
    """The duty. `wanted` are the types of events that somebody applies. `now_ms` gives Unix milliseconds."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        gateway: StripeGateway,
        *,
        wanted: Collection[str],
        now_ms: Callable[[], int],
    ) -> None:
        self._pool = pool
        self._gateway = gateway
        self._wanted = frozenset(wanted)
        self._now_ms = now_ms
        self._moved = Movements(pool, gateway, now_ms=now_ms)

    async def run_once(self) -> int:
        """How many differences were found. Raises what Postgres raises; without Stripe it waits."""
        found = 0
        compared = (
            self._events,
            self._intents,
            self._transfers,
            self._movements,
            self._operations,
            self._balance,
        )
        for compare in compared:
            try:
                found += await compare()
            except StripeUnavailable as error:
                log.warning("reconcile.put_off", part=compare.__name__, reason=str(error))
        return found

    async def _events(self) -> int:
        """Events that never reached us enter the inbox now; it is no difference, only a lost call."""
        listing = self._gateway.api.events.list_async
        async for event in self._windows("events", listing, Event, lag_s=EVENT_LAG_S):
            if event.type in self._wanted:
                payload = {"account": event.account, "created": event.created}
                await self._enter(event.id, event.type, event.object_id, payload)
        return 0

    async def _enter(self, event_id: str, kind: str, object_id: str | None, payload: dict[str, Any]) -> None:
        missed = await inbox.insert_event(
            self._pool,
            event_id=event_id,
            source="stripe",
            type=kind,
            object_id=object_id,
            payload=payload,
            now_ms=self._now_ms(),
        )
        if missed:
            log.warning("reconcile.event_missed", event_id=event_id, type=kind)

    async def _intents(self) -> int:
        listing, found = self._gateway.api.payment_intents.list_async, 0
        async for intent in self._windows("intents", listing, Intent):
            found += await self._named(intent.facts(), "intent")
        return found

    async def _transfers(self) -> int:
        listing, found = self._gateway.api.transfers.list_async, 0
        async for transfer in self._windows("transfers", listing, Transfer):
            found += await self._named(transfer.facts(), "transfer")
        return found

    async def _named(self, facts: Facts, what: str) -> bool:
        """Whether an object that names a session is not an operation of ours, or we take it for undone."""
        if facts.session_id is None or facts.operation is None:
            return False
        operation = await self._operation(facts.session_id, facts.operation)
        if operation is None:
            return await self._case(f"{what}_unknown", facts.id, None, session=facts.session_id)
        undone = operation.state is State.FAILED and facts.status in ("requires_capture", "succeeded", "paid")
        if undone or (operation.stripe_id is not None and operation.stripe_id != facts.id):
            return await self._case(f"{what}_differs", facts.id, operation.session_id, status=facts.status)
        return False

    async def _operation(self, session_id: str, name: str) -> Operation | None:
        try:
            participant_no, kind, ordinal, attempt = name.split(":")
            return await reconciliation.named_operation(
                self._pool, SessionId(session_id), int(participant_no), kind, int(ordinal), int(attempt)
            )
        except (ValueError, asyncpg.DataError):
            return None

    async def _movements(self) -> int:
        listing, found = self._gateway.api.balance_transactions.list_async, 0
        for movement, is_late in await self._moved.put_aside_before():
            if await self._waits(movement) and not is_late:
                continue
            found += await self._movement(movement, waits=False)
            await self._moved.forget(movement)
        async for movement in self._windows("movements", listing, BalanceTransaction):
            found += await self._movement(movement)
        return found

    async def _waits(self, movement: BalanceTransaction) -> bool:
        """Whether nothing on record has moved it so far, and something under way may have."""
        ours = await self._moved.ours(movement)
        return ours.amount_minor is None and await self._moved.may_become_ours(movement)

    async def _movement(self, movement: BalanceTransaction, *, waits: bool = True) -> bool:
        if movements.is_platforms(movement):
            await self._moved.keep(movement, None)
            return False
        if waits and await self._waits(movement):
            await self._moved.put_aside(movement)
            return False
        ours = await self._moved.ours(movement)
        await self._moved.keep(movement, ours)
        if movement.type in movements.BOUNCED and ours.amount_minor is not None:
            await self._refund_failed(movement.source or "", movement.id)
        if ours.amount_minor == movement.amount:
            return False
        kind = "movement_unknown" if ours.amount_minor is None else "movement_differs"
        return await self._case(
            kind,
            movement.id,
            ours.session_id,
            source=movement.source,
            moved_minor=movement.amount,
            ours_minor=ours.amount_minor,
        )

    async def _refund_failed(self, refund_id: str, seen: str) -> None:
        """Whatever became of the event that told so, it is applied as if it had come, and opens a case."""
        await self._enter(f"reconciled:{seen}", failed_refunds.EVENT, refund_id, {})

    async def _balance(self) -> int:
        """The balance, once all movements were read but the latest."""
        read_until_s = await reconciliation.read_until(self._pool, "movements")
        if read_until_s is None or read_until_s < self._now_ms() // 1000 - SETTLED_S - OVERLAP_S:
            return 0
        return await self._moved.compare(read_until_s)

    async def _operations(self) -> int:
        """Each operation that moved money is looked up at Stripe once."""
        before_ms = self._now_ms() - SETTLED_S * 1000
        waiting = await reconciliation.uncompared(self._pool, before_ms=before_ms, limit=OPERATIONS)
        found = 0
        for operation in waiting:
            facts = await self._gateway.find(operation)
            if facts is None:
                found += await self._case("operation_absent", operation.name, operation.session_id)
            else:
                outcome = recovery.conclude(operation, facts, now_ms=self._now_ms()).outcome
                known = operation.outcome
                if operation.kind is Kind.REFUND and facts.status in failed_refunds.FAILED:
                    await self._refund_failed(facts.id, facts.id)
                elif known is None or outcome is None or known.amount_minor != outcome.amount_minor:
                    found += await self._case(
                        "operation_differs", operation.name, operation.session_id, stripe_id=facts.id
                    )
            await reconciliation.compared(self._pool, operation.id, now_ms=self._now_ms())
        return found

    async def _windows(
        self, name: str, listing: Listing, kind: type[D], *, lag_s: int = SETTLED_S
    ) -> AsyncIterator[D]:
        """What Stripe lists since the last time, window by window. A window counts as read when all of it was
        dealt with.
        """
        now_s, span_s = self._now_ms() // 1000, WINDOW_S
        read_s = await reconciliation.read_until(self._pool, name)
        since_s = now_s - FIRST_S if read_s is None else read_s - OVERLAP_S
        for _ in range(WINDOWS_MAX):
            until_s = min(since_s + span_s, now_s - lag_s)
            if until_s <= since_s:
                return
            query: dict[str, Any] = {"created": {"gte": since_s, "lt": until_s}}
            try:
                async for item in self._gateway.each(listing, query, kind):
                    yield item
            except TooMany:
                if span_s <= WINDOW_MIN_S:
                    raise
                # What of it was read is read again in a narrower window: it makes no difference.
                span_s //= 2
                continue
            await reconciliation.save_until(self._pool, name, until_s)
            since_s = until_s

    async def _case(self, kind: str, subject: str, session_id: SessionId | None, **detail: object) -> bool:
        opened = await cases.open_case(
            self._pool,
            kind,
            session_id=session_id,
            detail=detail,
            now_ms=self._now_ms(),
            subject=subject,
        )
        if opened:
            log.error("reconcile.differs", kind=kind, subject=subject, session_id=session_id, **detail)
        return opened
