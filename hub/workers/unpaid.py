"""Stages transfers that could not be wanted when the money came in: the practitioner had no account then."""

from collections.abc import Callable
from typing import Final

import asyncpg

from billing import requests
from billing.payment import Kind
from hub.workers import promotions, returns
from rooms.ids import SessionId
from store.postgres import operations, payouts, refunds

PARTS: Final = 50
"""Guests' parts that one run takes on."""


class Unpaid:
    """The duty. `delay_ms` is the safety delay of every transfer. `now_ms` gives Unix milliseconds."""

    def __init__(
        self, pool: asyncpg.Pool, *, environment: str, delay_ms: int, now_ms: Callable[[], int]
    ) -> None:
        self._pool = pool
        self._environment = environment
        self._delay_ms = delay_ms
        self._now_ms = now_ms

    async def run_once(self) -> int:
        """How many transfers were staged. Raises what Postgres raises."""
        found = await payouts.untransferred(self._pool, limit=PARTS)
        return sum([await self._stage(session_id, participant_no) for session_id, participant_no in found])

    async def _stage(self, session_id: SessionId, participant_no: int) -> int:
        now_ms = self._now_ms()
        async with self._pool.acquire() as connection, connection.transaction():
            session = await refunds.lock_money(connection, session_id)
            if session is None:
                return 0
            account = await payouts.account(connection, session.practitioner_id)
            if account is None or account.stripe_account is None or not account.transfers_active:
                return 0
            known = await operations.operations(connection, session_id)
            staged = {
                str(one.params.body.get("source_transaction")) for one in known if one.kind is Kind.TRANSFER
            }
            ordinals = {one.outcome.charge: one.ordinal for one in known if one.outcome is not None}
            wanted = [
                requests.transfer(
                    session_id,
                    participant_no,
                    ordinal=requests.LATER.get(paid.kind, 0) + ordinals[paid.charge],
                    amount_minor=paid.earned_minor,
                    currency=paid.currency,
                    destination=account.stripe_account,
                    charge=paid.charge,
                    at_ms=now_ms + self._delay_ms,
                )
                for paid in await returns.paid_by(connection, session_id, participant_no, known)
                if paid.charge not in staged and paid.earned_minor > 0
            ]
            wanted += await promotions.unstaged(
                connection,
                session_id,
                participant_no,
                known,
                currency=session.currency,
                destination=account.stripe_account,
                at_ms=now_ms + self._delay_ms,
            )
            inserted = await operations.insert_operations(
                connection, self._environment, session_id, participant_no, wanted, now_ms=now_ms
            )
            return len(inserted)
