"""Movements of the platform's balance: whose each is, Stripe's fee of it, and whether all of them add up.

A fee is booked once, by its balance transaction. The balance itself is what lay there before the first
comparison, plus what the ledger has at Stripe, plus what is no session's affair. What has moved and is too
young to be on record is counted beside it. A difference that two comparisons in a row see opens a case.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

import asyncpg
import msgspec
import structlog
from msgspec.structs import replace

from billing import ledger
from billing.payment import COLLECTS, Kind
from billing.stripe_gateway import StripeGateway
from billing.stripe_records import Balance, BalanceTransaction
from rooms.ids import SessionId
from store.money_records import Compared
from store.postgres import cases, clearing, disputes, reconciliation, refunds, settlements

MOVES: Final[dict[str, tuple[frozenset[Kind], int]]] = {
    "ch": (COLLECTS, 1),
    "py": (COLLECTS, 1),
    "re": (frozenset({Kind.REFUND}), -1),
    "tr": (frozenset({Kind.TRANSFER}), -1),
    "trr": (frozenset({Kind.REVERSAL}), 1),
}
"""By the prefix of a movement's source: which operations of ours it is, and which way the money goes."""
DISPUTES: Final = frozenset({"du", "dp"})
BOUNCED: Final = frozenset({"refund_failure", "payment_failure_refund"})
"""A refund that came back: by its type alone it differs from the refund."""
KEPT_MS: Final = 172_800_000
"""How long a movement may wait for the answer of what moved it: twice as long as a key lives."""
KEPT: Final = 1_000

log = structlog.get_logger()


class Ours:
    """What our record says of a movement. `amount_minor` is None when it knows nothing of it."""

    def __init__(self, amount_minor: int | None, session_id: SessionId | None, participant_no: int) -> None:
        self.amount_minor = amount_minor
        self.session_id = session_id
        self.participant_no = participant_no


def prefix(movement: BalanceTransaction) -> str:
    """The kind of object that moved it."""
    return (movement.source or "").partition("_")[0]


def is_platforms(movement: BalanceTransaction) -> bool:
    """Payouts, top-ups and Stripe's own bills are the platform's affair, and no session's."""
    return prefix(movement) not in MOVES and prefix(movement) not in DISPUTES


class Movements:
    """Fees and balances. `now_ms` gives Unix milliseconds."""

    def __init__(self, pool: asyncpg.Pool, gateway: StripeGateway, *, now_ms: Callable[[], int]) -> None:
        self._pool = pool
        self._gateway = gateway
        self._now_ms = now_ms

    async def ours(self, movement: BalanceTransaction) -> Ours:
        """What we know of a session's movement, signed as it is at Stripe."""
        source = movement.source or ""
        if prefix(movement) in DISPUTES:
            known = await disputes.dispute(self._pool, source)
            if known is None:
                return Ours(None, None, 0)
            sign = 1 if movement.amount > 0 else -1
            return Ours(sign * known.amount_minor, known.session_id, known.participant_no)
        kinds, sign = MOVES[prefix(movement)]
        moved = await reconciliation.moved(self._pool, source, kinds)
        if movement.type in BOUNCED:
            sign = -sign
        amount_minor = sign * moved.amount_minor if moved.operations else None
        return Ours(amount_minor, moved.session_id, moved.participant_no or 0)

    async def may_become_ours(self, movement: BalanceTransaction) -> bool:
        """Whether it may be the effect of an operation whose answer was lost, and is still asked for."""
        kinds, _ = MOVES.get(prefix(movement), (frozenset(), 0))
        if movement.type in BOUNCED:
            return False
        return await clearing.may_become(self._pool, kinds, abs(movement.amount), movement.currency)

    async def put_aside(self, movement: BalanceTransaction) -> None:
        """Look at it again later."""
        told = msgspec.to_builtins(movement)
        await clearing.keep_movement(self._pool, movement.id, told, now_ms=self._now_ms())

    async def put_aside_before(self) -> list[tuple[BalanceTransaction, bool]]:
        """What was put aside, and whether it has waited for long enough."""
        kept = await clearing.kept_movements(self._pool, limit=KEPT)
        late_ms = self._now_ms() - KEPT_MS
        return [(msgspec.convert(told, BalanceTransaction), since <= late_ms) for told, since in kept]

    async def forget(self, movement: BalanceTransaction) -> None:
        """It is put aside no longer."""
        await clearing.forget_movement(self._pool, movement.id)

    async def keep(self, movement: BalanceTransaction, ours: Ours | None) -> None:
        """Book Stripe's fee of a session's movement, or note one of the platform's own; once."""
        now_ms = self._now_ms()
        if ours is None:
            await clearing.insert_movement(
                self._pool,
                balance_transaction=movement.id,
                kind=movement.type,
                net_minor=movement.amount - movement.fee,
                currency=movement.currency,
                now_ms=now_ms,
            )
        elif movement.fee and ours.session_id is not None:
            await self._book_fee(movement, ours.session_id, ours.participant_no, now_ms)

    async def _book_fee(
        self, movement: BalanceTransaction, session_id: SessionId, participant_no: int, now_ms: int
    ) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await refunds.lock_money(connection, session_id)
            ordinal = await clearing.insert_fee(
                connection,
                balance_transaction=movement.id,
                session_id=session_id,
                participant_no=participant_no,
                source=movement.source or "",
                amount_minor=movement.fee,
                currency=movement.currency,
                now_ms=now_ms,
            )
            if ordinal is not None:
                await settlements.book(
                    connection,
                    session_id,
                    participant_no,
                    kind="stripe_fee",
                    ordinal=ordinal,
                    entries=ledger.fee(movement.fee, movement.currency),
                    now_ms=now_ms,
                )

    async def compare(self, read_until_s: int) -> int:
        """Compare the balance with the record, of which movements before this time are a part; how many
        currencies differ so that a case was opened. Raises StripeUnavailable.
        """
        lies = await self._balance()
        should = await clearing.clearing(self._pool)
        should_young = await self._young(read_until_s)
        if await self._balance() != lies:
            # Something moved meanwhile; the next run compares again.
            return 0
        known = await clearing.compared_before(self._pool)
        found = 0
        for currency in sorted(lies.keys() | known.keys()):
            rest = lies.get(currency, 0) - should.get(currency, 0) - should_young[currency]
            found += await self._judge(currency, rest, known.get(currency))
        return found

    async def _judge(self, currency: str, rest_minor: int, before: Compared | None) -> bool:
        """`rest_minor` is what lies there beyond what should: always what lay there at first."""
        now_ms = self._now_ms()
        if before is None:
            log.info("reconcile.opening_balance", currency=currency, opening_minor=rest_minor)
            await clearing.save_comparison(self._pool, Compared(currency, rest_minor, 0, 0), now_ms=now_ms)
            return False
        difference_minor = rest_minor - before.opening_minor
        told_minor, opened = before.told_minor, False
        if difference_minor == 0:
            told_minor = 0
        elif difference_minor == before.difference_minor != told_minor:
            detail = {"difference_minor": difference_minor, "currency": currency}
            opened = await cases.open_case(
                self._pool, "balance_differs", session_id=None, detail=detail, now_ms=now_ms, subject=currency
            )
            told_minor = difference_minor
            log.error("reconcile.balance_differs", **detail)
        after = replace(before, difference_minor=difference_minor, told_minor=told_minor)
        await clearing.save_comparison(self._pool, after, now_ms=now_ms)
        return opened

    async def _balance(self) -> Counter[str]:
        """What lies at Stripe by currency, available or on its way."""
        found = await self._gateway.read(self._gateway.api.balance.retrieve_async(), Balance)
        total: Counter[str] = Counter()
        if found is not None:
            for amount in (*found.available, *found.pending):
                total[amount.currency] += amount.amount
        return total

    async def _young(self, since_s: int) -> Counter[str]:
        """What moved since, or was put aside, and is not booked yet, by currency."""
        young: Counter[str] = Counter()
        listing, query = self._gateway.api.balance_transactions.list_async, {"created": {"gte": since_s}}
        async for movement in self._gateway.each(listing, query, BalanceTransaction):
            young[movement.currency] += movement.amount - movement.fee - await self._booked(movement)
        for movement, _ in await self.put_aside_before():
            if movement.created < since_s:
                young[movement.currency] += movement.amount - movement.fee - await self._booked(movement)
        return young

    async def _booked(self, movement: BalanceTransaction) -> int:
        if is_platforms(movement):
            return 0
        source, fee_minor = movement.source or "", await clearing.fee_booked(self._pool, movement.id)
        if prefix(movement) in DISPUTES:
            kind = "dispute_won" if movement.amount > 0 else "dispute"
            return await clearing.booked_dispute(self._pool, source, kind) - fee_minor
        booked_as = "refund_failed" if movement.type in BOUNCED else None
        kinds, _ = MOVES[prefix(movement)]
        return await clearing.booked_operations(self._pool, source, kinds, booked_as) - fee_minor
