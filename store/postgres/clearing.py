"""The platform's balance at Stripe against the ledger: fees, its own movements, and how they compared."""

from collections.abc import Collection
from typing import Any

from billing.payment import Kind
from rooms.ids import SessionId
from store.money_records import Compared
from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements

SQL = statements("clearing")


async def insert_fee(
    db: Db,
    *,
    balance_transaction: str,
    session_id: SessionId,
    participant_no: int,
    source: str,
    amount_minor: int,
    currency: str,
    now_ms: int,
) -> int | None:
    """Note what Stripe kept, under the session's lock; its ordinal, or None when it was noted before."""
    ordinal: int | None = await db.fetchval(
        SQL["insert_fee"],
        balance_transaction,
        session_id,
        participant_no,
        source,
        amount_minor,
        currency,
        now_ms,
    )
    return ordinal


async def fee_booked(db: Db, balance_transaction: str) -> int:
    """What is booked as Stripe's fee of a movement, in minor units."""
    return int(await db.fetchval(SQL["fee_booked"], balance_transaction) or 0)


async def insert_movement(
    db: Db, *, balance_transaction: str, kind: str, net_minor: int, currency: str, now_ms: int
) -> None:
    """Note a movement that is no session's affair; the second time changes nothing."""
    await db.execute(SQL["insert_movement"], balance_transaction, kind, net_minor, currency, now_ms)


async def keep_movement(db: Db, balance_transaction: str, movement: object, *, now_ms: int) -> None:
    """Keep a movement that may turn out to be an operation's whose answer was lost."""
    await db.execute(SQL["keep_movement"], balance_transaction, movement, now_ms)


async def kept_movements(db: Db, *, limit: int) -> list[tuple[Any, int]]:
    """Movements that were kept, and since when, in Unix milliseconds; the oldest first."""
    rows = await db.fetch(SQL["kept_movements"], limit)
    return [(row["movement"], row["since_ms"]) for row in rows]


async def forget_movement(db: Db, balance_transaction: str) -> None:
    """It is known now whose a movement is, or that nobody knows."""
    await db.execute(SQL["forget_movement"], balance_transaction)


async def may_become(db: Db, kinds: Collection[Kind], amount_minor: int, currency: str) -> bool:
    """Whether an operation of these kinds and this amount is on its way, its answer unknown."""
    names = [kind.value for kind in kinds]
    return bool(await db.fetchval(SQL["may_become"], names, amount_minor, currency))


async def clearing(db: Db) -> dict[str, int]:
    """What should lie at Stripe by currency, in minor units, but for what lay there first."""
    return {row["currency"]: row["minor"] for row in await db.fetch(SQL["clearing"])}


async def booked_operations(db: Db, source: str, kinds: Collection[Kind], booked_as: str | None) -> int:
    """What the ledger's clearing account has of our operations on an object at Stripe."""
    names = [kind.value for kind in kinds]
    return int(await db.fetchval(SQL["booked_operations"], source, names, booked_as))


async def booked_dispute(db: Db, dispute_id: str, booked_as: str) -> int:
    """What the ledger's clearing account has of a dispute."""
    return int(await db.fetchval(SQL["booked_dispute"], dispute_id, booked_as))


async def compared_before(db: Db) -> dict[str, Compared]:
    """How the last comparison came out, by currency."""
    return {one.currency: one for one in many(await db.fetch(SQL["compared_before"]), Compared)}


async def save_comparison(db: Db, compared: Compared, *, now_ms: int) -> None:
    """Note how a currency compares now. What lay there before the first comparison is kept as it was."""
    await db.execute(
        SQL["save_comparison"],
        compared.currency,
        compared.opening_minor,
        compared.difference_minor,
        compared.told_minor,
        now_ms,
    )
