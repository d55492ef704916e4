"""What the reconciler has read and compared."""

from collections.abc import Collection

from billing.payment import Kind, Operation
from rooms.ids import SessionId
from store.money_records import Moved
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("reconciliation")


async def read_until(db: Db, name: str) -> int | None:
    """Up to when a list at Stripe was read, in Unix seconds; None before the first time."""
    found: int | None = await db.fetchval(SQL["read_until"], name)
    return found


async def save_until(db: Db, name: str, until_s: int) -> None:
    """A list was read up to this time."""
    await db.execute(SQL["save_until"], name, until_s)


async def uncompared(db: Db, *, before_ms: int, limit: int) -> list[Operation]:
    """Operations that moved money and were not compared with Stripe's object yet."""
    return many(await db.fetch(SQL["uncompared"], before_ms, limit), Operation)


async def compared(db: Db, operation_id: int, *, now_ms: int) -> None:
    """An operation was compared."""
    await db.execute(SQL["compared"], operation_id, now_ms)


async def moved(db: Db, object_id: str, kinds: Collection[Kind]) -> Moved:
    """What our operations on an object at Stripe came to."""
    row = await db.fetchrow(SQL["moved"], object_id, [kind.value for kind in kinds])
    found = one(row, Moved)
    if found is None:
        raise LookupError("A sum has always a row.")
    return found


async def named_operation(
    db: Db, session_id: SessionId, participant_no: int, kind: str, ordinal: int, attempt: int
) -> Operation | None:
    """The operation that an object at Stripe names in its metadata."""
    row = await db.fetchrow(SQL["named_operation"], session_id, participant_no, kind, ordinal, attempt)
    return one(row, Operation)


async def lingering_holds(db: Db, *, before_ms: int, limit: int) -> list[Operation]:
    """Money that is held, with nothing wanted that would capture or release it, and no room on record."""
    return many(await db.fetch(SQL["lingering_holds"], before_ms, limit), Operation)
