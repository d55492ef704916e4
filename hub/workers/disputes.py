"""Disputes: kept, answered with the metered time, and booked as the bank decides.

While one is open the session's transfers wait. A lost one counts as money that went back: what the
practitioner had of it is not transferred, or reversed.
"""

from collections.abc import Callable
from typing import Final

import asyncpg
import msgspec
import structlog

from billing import evidence, ledger, refunding, requests
from billing.evidence import Proof
from billing.payment import COLLECTS, Kind, Operation, Outcome, State
from billing.recovery import DISPUTE_DECIDED, NOT_NEEDED
from billing.refunding import Paid
from billing.stripe_gateway import StripeGateway
from billing.stripe_records import Dispute
from hub.workers import returns
from hub.workers.webhooks import TooEarly
from rooms.ids import SessionId
from store import money_records
from store.postgres import cases, disputes, operations, refunds, settlements
from store.postgres.pool import Transacting

NEWS: Final = frozenset(
    {
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
    }
)
WITHDRAWN: Final = frozenset({"needs_response", "under_review", "won", "lost"})
"""With these the bank has taken the money; a mere warning takes none."""

log = structlog.get_logger()


class Disputes:
    """Applies what Stripe tells about disputes. `now_ms` gives Unix milliseconds."""

    def __init__(
        self, pool: asyncpg.Pool, gateway: StripeGateway, *, environment: str, now_ms: Callable[[], int]
    ) -> None:
        self._pool = pool
        self._gateway = gateway
        self._environment = environment
        self._now_ms = now_ms

    async def apply(self, dispute_id: str) -> str | None:
        """Read a dispute anew and do what follows; why nothing was to be done, if so. May be repeated.

        Raises StripeUnavailable, TooEarly.
        """
        found = await self._gateway.read(self._gateway.api.disputes.retrieve_async(dispute_id), Dispute)
        if found is None or found.charge is None or found.payment_intent is None:
            return "not ours"
        collected = await self._collected(found)
        if collected is None:
            return "not ours"
        async with self._pool.acquire() as connection, connection.transaction():
            await refunds.lock_money(connection, collected.session_id)
            known = await self._keep(connection, found, collected)
            if known.closed_at_ms is not None:
                return "decided before"
            await self._follow(connection, found, known)
        return None

    async def _collected(self, found: Dispute) -> Operation | None:
        """The operation that collected the charge; None if the charge was none of ours."""
        intent = found.payment_intent or ""
        on_it = await operations.operations_on(self._pool, intent)
        for operation in on_it:
            if operation.kind in COLLECTS and operation.state is State.SUCCEEDED:
                return operation
        facts = await self._gateway.intent(intent) if not on_it else None
        if facts is not None and facts.session_id is None:
            return None
        raise TooEarly(intent)

    async def _keep(
        self, connection: Transacting, found: Dispute, collected: Operation
    ) -> money_records.Dispute:
        inserted = await disputes.insert_dispute(
            connection,
            dispute_id=found.id,
            session_id=collected.session_id,
            participant_no=collected.participant_no,
            charge=found.charge or "",
            intent=found.payment_intent or "",
            amount_minor=found.amount,
            currency=found.currency,
            reason=found.reason,
            status=found.status,
            due_by_ms=_due_by_ms(found),
            opened_at_ms=found.created * 1000,
        )
        if inserted is not None:
            log.error("dispute.opened", session_id=inserted.session_id, dispute=inserted.id)
            return inserted
        known = await disputes.dispute(connection, found.id)
        if known is None:
            raise LookupError(found.id)
        return known

    async def _follow(self, connection: Transacting, found: Dispute, known: money_records.Dispute) -> None:
        now_ms = self._now_ms()
        if found.status in WITHDRAWN:
            await self._book(
                connection, known, "dispute", ledger.disputed(known.amount_minor, known.currency)
            )
        if found.status in DISPUTE_DECIDED:
            await self._need_no_evidence(connection, known, now_ms)
        if found.status == "won":
            entries = ledger.dispute_won(known.amount_minor, known.currency)
            await self._book(connection, known, "dispute_won", entries)
        elif found.status == "lost":
            await self._lose(connection, known)
        elif found.status not in DISPUTE_DECIDED:
            await self._show_evidence(connection, known)
        await disputes.move_dispute(
            connection,
            known.id,
            found.status,
            due_by_ms=_due_by_ms(found),
            closed_at_ms=now_ms if found.status in DISPUTE_DECIDED else None,
        )
        await returns.bring_back(
            connection,
            known.session_id,
            known.participant_no,
            environment=self._environment,
            now_ms=now_ms,
        )

    async def _lose(self, connection: Transacting, known: money_records.Dispute) -> None:
        paid = await self._paid(connection, known)
        # What an earlier refund gave back can't be deducted again; then the platform bears it.
        left_minor = min(known.amount_minor, paid.amount_minor - paid.returned_minor)
        part = refunding.part(paid, max(0, left_minor))
        await refunds.insert_deduction(
            connection,
            known.session_id,
            known.participant_no,
            kind="dispute",
            charge=known.charge,
            amount_minor=part.amount_minor,
            practitioner_minor=part.practitioner_minor,
            now_ms=self._now_ms(),
            dispute_id=known.id,
        )
        entries = ledger.dispute_lost(known.amount_minor, part.practitioner_minor, known.currency)
        await self._book(connection, known, "dispute_lost", entries)
        await cases.open_case(
            connection,
            "dispute_lost",
            session_id=known.session_id,
            detail={"amount_minor": known.amount_minor, "currency": known.currency, "reason": known.reason},
            now_ms=self._now_ms(),
            subject=known.id,
        )

    async def _paid(self, connection: Transacting, known: money_records.Dispute) -> Paid:
        for paid in await returns.paid_by(connection, known.session_id, known.participant_no):
            if paid.intent == known.intent:
                return paid
        raise TooEarly(known.charge)

    async def _book(
        self, connection: Transacting, known: money_records.Dispute, kind: str, entries: ledger.Entries
    ) -> None:
        await settlements.book(
            connection,
            known.session_id,
            known.participant_no,
            kind=kind,
            ordinal=known.ordinal,
            entries=entries,
            now_ms=self._now_ms(),
        )

    async def _show_evidence(self, connection: Transacting, known: money_records.Dispute) -> None:
        """Want the bank to be shown what proves the charge, once."""
        metered = await disputes.metered(connection, known.session_id, known.participant_no)
        if metered is None:
            return
        head = metered.pop("transcript_head")
        proof = msgspec.convert({**metered, "transcript_head": head.hex() if head else None}, Proof)
        now_ms = self._now_ms()
        wanted = requests.evidence(
            known.ordinal,
            known.currency,
            dispute_id=known.id,
            fields=evidence.evidence(proof),
            at_ms=now_ms,
        )
        await operations.insert_operations(
            connection,
            self._environment,
            SessionId(known.session_id),
            known.participant_no,
            [wanted],
            now_ms=now_ms,
        )

    async def _need_no_evidence(
        self, connection: Transacting, known: money_records.Dispute, now_ms: int
    ) -> None:
        """What was not sent yet stays unsent; what is being sent, Stripe refuses, and that is accepted."""
        for one in await operations.operations(connection, known.session_id):
            if one.kind is Kind.EVIDENCE and one.params.target == known.id and one.state is State.PENDING:
                outcome = Outcome("refused", code=NOT_NEEDED)
                await operations.retract(connection, one.id, outcome=outcome, now_ms=now_ms)


def _due_by_ms(found: Dispute) -> int | None:
    due_by_s = found.evidence_details.due_by
    return None if due_by_s is None else due_by_s * 1000
