"""Gives back to a guest what was ordered: everything to whoever turns out to be a minor, and what was paid
for one session to those who had left it before its host was found to be at fault.

Each part of a session is refunded in one transaction under the session's lock, as far as it has not gone back
by then; so it may be repeated, and whoever dies in between has done some of it and nothing twice. It goes on
until nothing is left and nothing can come in any more: a session may be settled minutes after the order.
"""

from collections.abc import Callable
from typing import Final

import asyncpg
import structlog
import uuid_utils

from billing import money
from billing.payment import Outcome
from billing.refunding import NOT_DUE
from hub.workers import returns
from rooms.ids import SessionId
from store.money_records import Refund, Restitution
from store.postgres import admin, cases, disputes, operations, refunds, restitutions
from store.postgres.pool import Transacting
from store.privacy import texts
from store.privacy.bindings import refund_aad
from store.privacy.keys import Keyring

RESTITUTIONS: Final = 20
PARTS: Final = 200
"""Parts of sessions that one run takes on for one guest."""
DAY_MS: Final = 86_400_000
AGAIN_AFTER_MS: Final = (DAY_MS, 3 * DAY_MS, 7 * DAY_MS)
"""How long after a refund that failed the next one is made; after the last one a person finds another way."""

log = structlog.get_logger()


class Restitutions:
    """The duty. `now_ms` gives Unix milliseconds."""

    def __init__(
        self, pool: asyncpg.Pool, keyring: Keyring, *, environment: str, now_ms: Callable[[], int]
    ) -> None:
        self._pool = pool
        self._keyring = keyring
        self._environment = environment
        self._now_ms = now_ms

    async def run_once(self) -> int:
        """How many refunds were made. Raises what Postgres raises."""
        found = await restitutions.open_restitutions(self._pool, limit=RESTITUTIONS)
        return sum([await self._carry_out(ordered) for ordered in found])

    async def _carry_out(self, ordered: Restitution) -> int:
        await restitutions.looked_at(self._pool, ordered.id, now_ms=self._now_ms())
        await self._ask_for_nothing(ordered)
        parts = await restitutions.collectable(self._pool, ordered, limit=PARTS)
        made = sum([await self._give_back(ordered, *part) for part in parts])
        unfinished = await restitutions.is_unfinished(self._pool, ordered)
        if not parts and not unfinished:
            await restitutions.restitution_done(self._pool, ordered.id, now_ms=self._now_ms())
            log.info("restitution.done", restitution=ordered.id)
        elif not made and not unfinished and await self._is_exhausted(ordered, parts):
            await self._hand_over(ordered, parts)
        return made

    async def _is_exhausted(self, ordered: Restitution, parts: list[tuple[SessionId, int]]) -> bool:
        """Whether every part that is left failed for the last time."""
        for session_id, participant_no in parts:
            failed = await restitutions.tries(self._pool, ordered.id, session_id, participant_no)
            if len(failed) <= len(AGAIN_AFTER_MS):
                return False
        return True

    async def _hand_over(self, ordered: Restitution, parts: list[tuple[SessionId, int]]) -> None:
        """What Stripe can't bring back a person does, in another way; it ends here."""
        now_ms = self._now_ms()
        async with self._pool.acquire() as connection, connection.transaction():
            await cases.open_case(
                connection,
                "restitution_incomplete",
                session_id=parts[0][0],
                detail={"restitution_id": ordered.id, "sessions": [session_id for session_id, _ in parts]},
                now_ms=now_ms,
                subject=ordered.id,
            )
            await restitutions.restitution_done(connection, ordered.id, now_ms=now_ms)
        log.error("restitution.incomplete", restitution=ordered.id, parts=len(parts))

    async def _ask_for_nothing(self, ordered: Restitution) -> None:
        """A charge that was not sent yet is not sent; that it stays unpaid a person shall know."""
        for charge in await restitutions.unpaid_charges(self._pool, ordered):
            now_ms = self._now_ms()
            outcome = Outcome("declined", code=NOT_DUE)
            async with self._pool.acquire() as connection, connection.transaction():
                await refunds.lock_money(connection, charge.session_id)
                if await operations.retract(connection, charge.id, outcome=outcome, now_ms=now_ms):
                    await cases.open_case(
                        connection,
                        "charge_given_up",
                        session_id=charge.session_id,
                        detail={"operation": charge.name, "restitution_id": ordered.id},
                        now_ms=now_ms,
                    )

    async def _give_back(self, ordered: Restitution, session_id: SessionId, participant_no: int) -> bool:
        """Refund what is left of one part; False when there is nothing, or not now."""
        async with self._pool.acquire() as connection, connection.transaction():
            session = await refunds.lock_money(connection, session_id)
            if session is None or await disputes.open_disputes(connection, session_id):
                # While a bank decides, Stripe refunds nothing; if it is lost, the bank has given it back.
                return False
            if not await self._is_due(connection, ordered, session_id, participant_no):
                return False
            for undecided in await restitutions.undecided(connection, session_id, participant_no):
                await self._supersede(connection, ordered, undecided)
            paid = await returns.paid_by(connection, session_id, participant_no)
            left_minor = sum(max(0, one.amount_minor - one.returned_minor) for one in paid)
            left_minor -= left_minor % money.step_minor(session.currency)
            if left_minor == 0:
                return False
            now_ms, refund_id = self._now_ms(), str(uuid_utils.uuid7())
            reason = await texts.sealed_for(
                self._keyring, connection, ordered.guest_id, refund_aad(refund_id), ordered.reason
            )
            made = await restitutions.insert_whole_refund(
                connection,
                refund_id=refund_id,
                session_id=session_id,
                participant_no=participant_no,
                amount_minor=left_minor,
                currency=session.currency,
                reason=reason,
                ordered=ordered,
                now_ms=now_ms,
            )
            await returns.stage_refund(connection, made, environment=self._environment, now_ms=now_ms)
            await self._note(connection, ordered, "refund_requested", made)
            return True

    async def _is_due(
        self, connection: Transacting, ordered: Restitution, session_id: SessionId, participant_no: int
    ) -> bool:
        """Whether it is time for a refund: the first at once, another a while after one that failed."""
        failed = await restitutions.tries(connection, ordered.id, session_id, participant_no)
        if not failed:
            return True
        if len(failed) > len(AGAIN_AFTER_MS):
            return False
        return self._now_ms() >= failed[-1] + AGAIN_AFTER_MS[len(failed) - 1]

    async def _supersede(self, connection: Transacting, ordered: Restitution, undecided: Refund) -> None:
        """Nobody has to approve a part of what goes back as a whole."""
        by = ordered.ordered_by
        await refunds.decide_refund(
            connection,
            undecided.id,
            "rejected",
            decided_by=None if by == undecided.requested_by else by,
            now_ms=self._now_ms(),
        )
        await self._note(connection, ordered, "refund_rejected", undecided)

    async def _note(self, connection: Transacting, ordered: Restitution, action: str, about: Refund) -> None:
        """In the name of who ordered it: nobody acts without a person behind it."""
        await admin.note_action(
            connection,
            ordered.ordered_by,
            action,
            subject=about.id,
            session_id=about.session_id,
            reason=ordered.reason,
            detail={
                "amount_minor": about.amount_minor,
                "currency": about.currency,
                "restitution_id": ordered.id,
            },
            now_ms=self._now_ms(),
            keyring=self._keyring,
            about=ordered.guest_id,
        )
