"""Compares what Stripe has with what is on our record. A difference opens a case; nothing is mended silently.

It reads Stripe's lists in windows of time, each once, well after everything in it should have been recorded:
events that never reached us enter the inbox as if they had; intents and transfers have to be operations of
ours; each movement of the platform's balance has to be one that we know, to the unit. The other way round,
each operation that moved money is looked up once.
"""

from collections.abc import AsyncIterator, Callable, Collection
from typing import Any, Final, TypeVar

import asyncpg
import structlog

from billing import recovery
from billing.payment import COLLECTS, Facts, Kind, Operation, State
from billing.stripe_gateway import Listing, StripeGateway, StripeUnavailable
from billing.stripe_objects import Intent, Transfer
from billing.stripe_records import BalanceTransaction, Event
from rooms.ids import SessionId
from store.postgres import cases, disputes, inbox, reconciliation

WINDOW_S: Final = 600
WINDOWS_MAX: Final = 24
"""Windows of one list that one run reads: after an outage it catches up over several runs."""
FIRST_S: Final = 3_600
"""How far back the first run begins."""
SETTLED_S: Final = 900
"""What is younger may still be on its way into our record."""
EVENT_LAG_S: Final = 120
"""An event that is younger may still be delivered by itself."""
OPERATIONS: Final = 100

MOVES: Final[dict[str, tuple[frozenset[Kind], int]]] = {
    "ch": (COLLECTS, 1),
    "py": (COLLECTS, 1),
    "re": (frozenset({Kind.REFUND}), -1),
    "tr": (frozenset({Kind.TRANSFER}), -1),
    "trr": (frozenset({Kind.REVERSAL}), 1),
}
"""By the prefix of a movement's source: which operations of ours it is, and which way the money goes."""
DISPUTES: Final = frozenset({"du", "dp"})

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

    async def run_once(self) -> int:
        """How many differences were found. Raises what Postgres raises; without Stripe it waits."""
        found = 0
        for compare in (self._events, self._intents, self._transfers, self._movements, self._operations):
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
                missed = await inbox.insert_event(
                    self._pool,
                    event_id=event.id,
                    source="stripe",
                    type=event.type,
                    object_id=event.object_id,
                    payload={"account": event.account, "created": event.created},
                    now_ms=self._now_ms(),
                )
                if missed:
                    log.warning("reconcile.event_missed", event_id=event.id, type=event.type)
        return 0

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
        async for movement in self._windows("movements", listing, BalanceTransaction):
            found += await self._movement(movement)
        return found

    async def _movement(self, movement: BalanceTransaction) -> bool:
        source = movement.source or ""
        prefix = source.partition("_")[0]
        if prefix in DISPUTES:
            known = await disputes.dispute(self._pool, source)
            ours_minor = None if known is None else known.amount_minor
            session_id = None if known is None else known.session_id
            moved_minor = abs(movement.amount)
        elif prefix in MOVES:
            kinds, sign = MOVES[prefix]
            moved = await reconciliation.moved(self._pool, source, kinds)
            ours_minor = moved.amount_minor if moved.operations else None
            session_id, moved_minor = moved.session_id, sign * movement.amount
        else:
            # Payouts, top-ups and fees are the platform's own affair, and no session's.
            return False
        if ours_minor == moved_minor:
            return False
        kind = "movement_unknown" if ours_minor is None else "movement_differs"
        return await self._case(
            kind, movement.id, session_id, source=source, moved_minor=moved_minor, ours_minor=ours_minor
        )

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
                if known is None or outcome is None or known.amount_minor != outcome.amount_minor:
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
        now_s = self._now_ms() // 1000
        since_s = await reconciliation.read_until(self._pool, name)
        since_s = now_s - FIRST_S if since_s is None else since_s
        for _ in range(WINDOWS_MAX):
            until_s = min(since_s + WINDOW_S, now_s - lag_s)
            if until_s <= since_s:
                return
            query: dict[str, Any] = {"created": {"gte": since_s, "lt": until_s}}
            async for item in self._gateway.each(listing, query, kind):
                yield item
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
