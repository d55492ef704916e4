"""Sessions on record: inserted when requested, completed when settled, read by the people in them."""

import asyncpg

from billing.payment import Wanted
from rooms.ids import SessionId, UserId
from rooms.room import Room, State
from store.postgres import checkpoints, operations
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements
from store.records import Checkpoint, SessionRecord

SQL = statements("sessions")


async def insert_request(
    pool: asyncpg.Pool,
    room: Room,
    *,
    environment: str,
    hold: Wanted | None,
    seen: Checkpoint | None = None,
    now_ms: int,
) -> None:
    """Put a new session on record together with the hold it needs. Repeated, it changes nothing.

    With its first checkpoint, `seen`, it outlives the loss of the live store from its first moment.
    """
    async with pool.acquire() as connection, connection.transaction():
        await save_session(connection, room)
        if seen is not None:
            await checkpoints.save(connection, [seen])
        if hold is not None:
            guest = room.guests[0]
            await operations.insert_operations(
                connection, environment, room.id, guest.no, [hold], now_ms=now_ms
            )


async def save_session(
    db: Db, room: Room, *, transcript_head: bytes | None = None, message_count: int = 0
) -> None:
    """Write the session and its participants as the room has them, unless the record is newer.

    With `transcript_head` the record is complete, and this is the last time that it changes.
    """
    terms = room.terms
    await db.execute(
        SQL["save_session"],
        room.id,
        room.kind,
        room.state.value,
        room.practitioner.user_id,
        room.seats,
        terms.kind,
        terms.currency,
        terms.rate_minor_per_minute,
        terms.free_ms,
        terms.fee_bps,
        terms.minimum_minor,
        terms.cap_minor,
        room.requested_at_ms,
        room.offered_at_ms,
        room.accepted_at_ms,
        room.live_at_ms,
        room.ended_at_ms,
        room.end_reason,
        room.version,
        transcript_head,
        message_count,
        [person.no for person in room.people],
        [person.user_id for person in room.people],
        [person.role for person in room.people],
    )


async def mark_settled(db: Db, session_id: SessionId, *, now_ms: int) -> bool:
    """Everything at Stripe is done: `ended` becomes `settled`. False when it is not over, or was marked."""
    return await db.fetchval(SQL["mark_settled"], session_id, now_ms) is not None


async def state(db: Db, session_id: SessionId) -> State | None:
    """What Postgres knows of where a session stands."""
    found = await db.fetchval(SQL["state"], session_id)
    return None if found is None else State(found)


async def session(db: Db, session_id: SessionId) -> SessionRecord | None:
    """A session as whoever the connection acts as may see it."""
    return one(await db.fetchrow(SQL["session"], session_id), SessionRecord)


async def history(
    db: Db, user_id: UserId, *, before: SessionId | None, limit: int, younger_ms: int = 0
) -> list[SessionRecord]:
    """The sessions of whoever the connection acts as, the newest first, older than the cursor `before`.

    Only what is younger than `younger_ms`: the rest is too old to be shown.
    """
    return many(await db.fetch(SQL["history"], user_id, before, limit, younger_ms), SessionRecord)
