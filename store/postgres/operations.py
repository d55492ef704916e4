"""Operations at Stripe as rows: wanted, leased, sent, answered, applied.

A function that gives None or False found that another worker was faster; its caller drops what it holds.
"""

from collections.abc import Sequence
from typing import Final

from billing.payment import Kind, Operation, Outcome, State, Wanted, idempotency_key
from rooms.ids import SessionId
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements
from store.privacy.vendors import fields

SQL = statements("operations")
TOLD_BY: Final = {Kind.TRANSFER: "payout", Kind.REVERSAL: "payout", Kind.EVIDENCE: "dispute"}
"""The purpose for which Stripe is told of a person by an operation; by all others it is `payment`."""

CHANNEL = "payment_ops"
"""Where Postgres gives notice of each new operation; the payload is its id."""


async def insert_operations(
    db: Db,
    environment: str,
    session_id: SessionId,
    participant_no: int,
    wanted: Sequence[Wanted],
    *,
    now_ms: int,
) -> list[int]:
    """Want operations for one participant; the ids of those that were not wanted before.

    `environment` is part of the idempotency key, so that two installations on one Stripe account never meet.
    """
    if not wanted:
        return []
    rows = await db.fetch(
        SQL["insert_operations"],
        session_id,
        [participant_no] * len(wanted),
        [operation.kind.value for operation in wanted],
        [operation.ordinal for operation in wanted],
        [operation.attempt for operation in wanted],
        [operation.amount_minor for operation in wanted],
        [operation.currency for operation in wanted],
        [operation.params for operation in wanted],
        [idempotency_key(environment, session_id, participant_no, operation) for operation in wanted],
        [operation.at_ms for operation in wanted],
        now_ms,
    )
    return [row["id"] for row in rows]


async def due(db: Db, *, now_ms: int, limit: int, lease_ms: int) -> list[Operation]:
    """Lease up to `limit` operations that are to be sent or asked about, the oldest first.

    The lease's name is `now_ms + lease_ms`; `sent` asks for it.
    """
    leased = many(await db.fetch(SQL["due"], now_ms, limit, lease_ms), Operation)
    return sorted(leased, key=lambda operation: (operation.next_at_ms, operation.id))


async def sent(db: Db, leased: Operation, *, now_ms: int) -> Operation | None:
    """Note that the call goes out now, and what of whom, before it does; None when the lease was lost."""
    purpose = TOLD_BY.get(leased.kind, "payment")
    row = await db.fetchrow(
        SQL["sent"],
        leased.id,
        leased.lease_until_ms,
        now_ms,
        purpose,
        list(fields("stripe", purpose)),
        purpose == "payout",
    )
    return one(row, Operation)


async def outcome(
    db: Db,
    operation_id: int,
    state: State,
    *,
    next_at_ms: int,
    stripe_id: str | None = None,
    outcome: Outcome | None = None,
) -> Operation | None:
    """Note what came of it and end the lease; None when it was over already.

    `outcome=None` keeps what is known, for an answer that tells nothing. A given one is to be applied anew.
    """
    row = await db.fetchrow(SQL["outcome"], operation_id, state.value, stripe_id, outcome, next_at_ms)
    return one(row, Operation)


async def revise(
    db: Db,
    operation_id: int,
    *,
    seen: Outcome,
    state: State,
    outcome: Outcome,
) -> Operation | None:
    """What was over moved on: a hold was confirmed, or expired. None unless `seen` still stands."""
    return one(await db.fetchrow(SQL["revise"], operation_id, seen, state.value, outcome), Operation)


async def unapplied(db: Db, *, limit: int, after: int = 0) -> list[Operation]:
    """Operations whose outcome has not reached the room, by id, from the one after `after`."""
    return many(await db.fetch(SQL["unapplied"], limit, after), Operation)


async def applied(db: Db, operation_id: int, *, outcome: Outcome, now_ms: int) -> None:
    """The effect of this outcome has reached the room. A newer outcome stays unapplied."""
    await db.execute(SQL["applied"], operation_id, outcome, now_ms)


async def apply_again(db: Db, session_id: SessionId) -> None:
    """The room was rebuilt from an earlier moment: what came of its holds has to reach it once more."""
    await db.execute(SQL["apply_again"], session_id)


async def operation(db: Db, operation_id: int) -> Operation | None:
    """One operation."""
    return one(await db.fetchrow(SQL["operation"], operation_id), Operation)


async def operations(db: Db, session_id: SessionId) -> list[Operation]:
    """All operations of a session in the order in which they were wanted."""
    return many(await db.fetch(SQL["operations"], session_id), Operation)


async def operations_on(db: Db, stripe_id: str) -> list[Operation]:
    """The operations on an object at Stripe, as its webhook names it."""
    return many(await db.fetch(SQL["operations_on"], stripe_id), Operation)


async def retract(db: Db, operation_id: int, *, outcome: Outcome, now_ms: int) -> Operation | None:
    """End an operation that was never sent, so that nobody sends it any more; None when somebody does."""
    return one(await db.fetchrow(SQL["retract"], operation_id, outcome, now_ms), Operation)
