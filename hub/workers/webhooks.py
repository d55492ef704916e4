"""Applies Stripe's calls: an event only says where to look, and what is there now is what counts.

Events come late, twice and out of order. So the object is fetched anew, and the operations it belongs to only
ever move forward.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from billing import recovery
from billing.payment import INTENTS, TERMINAL, Facts, Kind, Operation, State
from billing.stripe_gateway import StripeGateway, StripeUnavailable
from hub.workers.outcomes import Outcomes, side_by_side
from rooms.ids import SessionId
from store.postgres import inbox, operations
from store.records import InboxEvent

AT_ONCE: Final = 16
LEASE_MS: Final = 60_000
ATTEMPTS_MAX: Final = 12
RETRY_MIN_MS: Final = 1_000
RETRY_MAX_MS: Final = 600_000

INTENT_NEWS: Final = frozenset(
    {
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.payment_failed",
        "payment_intent.requires_action",
        "payment_intent.succeeded",
    }
)

Applies = Callable[[InboxEvent], Awaitable[str | None]]

log = structlog.get_logger()


class TooEarly(Exception):
    """The event came before our own record of what it is about; it is applied later."""


class Webhooks:
    """The webhooks duty of a worker, for the sources `stripe` and `stripe-connect`.

    `also` says by an event's type what else applies it; it gives why nothing was to be done, if so.
    """

    def __init__(
        self,
        pool: asyncpg.Pool,
        gateway: StripeGateway,
        outcomes: Outcomes,
        *,
        now_ms: Callable[[], int],
        also: Mapping[str, Applies] | None = None,
    ) -> None:
        self._pool = pool
        self._gateway = gateway
        self._outcomes = outcomes
        self._now_ms = now_ms
        self._also = dict(also or {})

    async def run_once(self) -> int:
        """Apply the events that wait; how many there were. Raises what Postgres raises."""
        events = await inbox.due_events(self._pool, now_ms=self._now_ms(), limit=AT_ONCE, lease_ms=LEASE_MS)
        await side_by_side("webhooks.failed", [self._take(event) for event in events])
        return len(events)

    async def _take(self, event: InboxEvent) -> None:
        try:
            note = await self._apply(event)
        except (TooEarly, StripeUnavailable) as error:
            await self._again(event, f"{type(error).__name__}: {error}")
        except Exception as error:
            # It is logged by whoever runs us; the event itself must not be lost for it.
            await self._again(event, type(error).__name__)
            raise
        else:
            await inbox.event_done(self._pool, event.event_id, note=note)

    async def _again(self, event: InboxEvent, note: str) -> None:
        if event.attempts >= ATTEMPTS_MAX:
            log.error("webhooks.given_up", event_id=event.event_id, type=event.type, note=note)
            await inbox.event_failed(self._pool, event.event_id, note=note)
            return
        wait_ms = min(RETRY_MIN_MS * 2 ** (event.attempts - 1), RETRY_MAX_MS)
        await inbox.event_again(self._pool, event.event_id, next_at_ms=self._now_ms() + wait_ms, note=note)

    async def _apply(self, event: InboxEvent) -> str | None:
        """Apply one event; why nothing was to be done, if so."""
        if event.type in INTENT_NEWS and event.object_id is not None:
            return await self._intent(event.object_id)
        applies = self._also.get(event.type)
        return "not used" if applies is None else await applies(event)

    async def _intent(self, intent_id: str) -> str | None:
        facts = await self._gateway.intent(intent_id)
        session_id = None if facts is None else _session(facts)
        if facts is None or session_id is None:
            return "not ours"
        known = await operations.operations(self._pool, session_id)
        hold = next((one for one in known if _made(one, facts)), None)
        if hold is None:
            raise TooEarly(facts.operation)
        await self._hold(hold, facts)
        for operation in known:
            if operation.params.target == facts.id and operation.state in (State.IN_FLIGHT, State.UNKNOWN):
                await self._acted(operation, facts)
        return None

    async def _hold(self, hold: Operation, facts: Facts) -> None:
        """A hold's own news: its outcome, if the answer was lost; else its progress."""
        if hold.kind is not Kind.HOLD and hold.state in TERMINAL:
            return
        if hold.state not in TERMINAL:
            step = recovery.conclude(hold, facts, now_ms=self._now_ms())
            recorded = await self._outcomes.record(hold, step) if step.state in TERMINAL else None
        else:
            advanced = recovery.advance(hold, facts)
            if advanced is None or advanced.outcome is None or hold.outcome is None:
                return
            recorded = await operations.revise(
                self._pool, hold.id, seen=hold.outcome, state=advanced.state, outcome=advanced.outcome
            )
        if recorded is not None:
            await self._outcomes.apply(recorded)

    async def _acted(self, operation: Operation, facts: Facts) -> None:
        """A capture or cancel whose answer is awaited or lost, and whose effect is plain to see."""
        step = recovery.conclude(operation, facts, now_ms=self._now_ms())
        # That it had no effect so far is no news: the call may still be under way.
        if step.state is not State.SUCCEEDED:
            return
        recorded = await self._outcomes.record(operation, step)
        if recorded is not None:
            await self._outcomes.apply(recorded)


def _made(operation: Operation, facts: Facts) -> bool:
    if operation.kind not in INTENTS:
        return False
    return facts.id == operation.stripe_id or facts.operation == operation.name


def _session(facts: Facts) -> SessionId | None:
    """The session that an object names, if it names one as we do."""
    try:
        return SessionId(str(UUID(facts.session_id)))
    except (ValueError, TypeError, AttributeError):
        return None
