"""Live rooms on record, and the parts of their guests."""

import asyncpg
from msgspec import Struct

from billing.payment import Wanted
from rooms.ids import SessionId, UserId
from rooms.room import History, Participant, Room
from store.postgres import checkpoints, operations, sessions
from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements
from store.records import Checkpoint

SQL = statements("live_rooms")


class OpenRoom(Struct, frozen=True):
    """A live room that may be found. `title` is sealed under its host's key."""

    session_id: SessionId
    practitioner_id: UserId
    title: bytes
    history: History
    starts_at_ms: int | None


async def insert_live_room(pool: asyncpg.Pool, room: Room, title: bytes, seen: Checkpoint) -> None:
    """Put a new room on record, with its first checkpoint. Repeated, it changes nothing."""
    async with pool.acquire() as connection, connection.transaction():
        await sessions.save_session(connection, room)
        await connection.execute(
            SQL["insert_live_room"],
            room.id,
            room.practitioner.user_id,
            title,
            room.history,
            room.starts_at_ms,
            room.terms.flat_after_ms,
            room.requested_at_ms,
        )
        await checkpoints.save(connection, [seen])


async def count_open(db: Db, practitioner_id: UserId) -> int:
    """How many rooms of theirs are open, or to come."""
    return int(await db.fetchval(SQL["count_open"], practitioner_id))


async def rooms_of_leaving(db: Db, *, limit: int) -> list[tuple[SessionId, UserId]]:
    """Open rooms of hosts who are to be erased, each with its host."""
    rows = await db.fetch(SQL["rooms_of_leaving"], limit)
    return [(SessionId(row["session_id"]), UserId(row["practitioner_id"])) for row in rows]


async def open_rooms(db: Db, *, before: SessionId | None, limit: int) -> list[OpenRoom]:
    """Rooms that may be found, the newest first, older than the cursor `before`."""
    return many(await db.fetch(SQL["open_rooms"], before, limit), OpenRoom)


async def insert_knock(
    pool: asyncpg.Pool,
    room: Room,
    guest: Participant,
    *,
    environment: str,
    hold: Wanted | None,
    now_ms: int,
) -> None:
    """Put a guest's knock on record together with the hold it needs. Repeated, it changes nothing."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(SQL["insert_knock"], room.id, guest.no, guest.user_id)
        if hold is not None:
            await operations.insert_operations(
                connection, environment, room.id, guest.no, [hold], now_ms=now_ms
            )


async def enter(db: Db, room: Room, guest: Participant) -> None:
    """A guest came in for the first time. Repeated, it changes nothing."""
    await db.execute(SQL["enter"], room.id, guest.no, guest.entered_at_ms, guest.from_seq)


async def end_part(db: Db, room: Room, guest: Participant) -> None:
    """When and why a guest's part ended, and what of the chat they were shown."""
    own = room.of(guest)
    entered = guest.entered_at_ms
    await db.execute(
        SQL["end_part"], room.id, guest.no, entered, own.ended_at_ms, own.end_reason, guest.from_seq
    )


async def note_speakers(db: Db, session_id: SessionId) -> None:
    """Who spoke in a room, by its transcript on record. Repeated, it changes nothing."""
    await db.execute(SQL["note_speakers"], session_id)


async def close(db: Db, session_id: SessionId, ended_at_ms: int) -> None:
    """The room is over: it is found no more."""
    await db.execute(SQL["close"], session_id, ended_at_ms)


async def unsettled(db: Db, session_id: SessionId) -> bool:
    """Whether the session's record is not complete, for any of its guests or altogether."""
    return (await db.fetchval(SQL["unsettled"], session_id)) is not False
