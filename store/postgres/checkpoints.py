"""Checkpoints: what the hubs last saw of their rooms, should Redis forget them."""

from collections.abc import Sequence

from rooms.ids import SessionId
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements
from store.records import Checkpoint

SQL = statements("checkpoints")


async def save(db: Db, rooms: Sequence[Checkpoint]) -> None:
    """Keep what is newer than the record, for many rooms in one trip. Their sessions must be on record.

    Messages are kept beside it by `transcript.append`, which takes those of one room.
    """
    if not rooms:
        return
    await db.execute(
        SQL["save"],
        [room.session_id for room in rooms],
        [room.version for room in rooms],
        [room.epoch for room in rooms],
        [room.at_ms for room in rooms],
        [room.head_seq for room in rooms],
        [room.room for room in rooms],
    )


async def open_rooms(db: Db, *, limit: int, after: SessionId | None = None) -> list[Checkpoint]:
    """Rooms that are not settled, by id, from the one after `after`."""
    return many(await db.fetch(SQL["open_rooms"], after, limit), Checkpoint)


async def checkpoint(db: Db, session_id: SessionId) -> Checkpoint | None:
    """The last that was seen of one room."""
    return one(await db.fetchrow(SQL["checkpoint"], session_id), Checkpoint)


async def drop_checkpoint(db: Db, session_id: SessionId) -> None:
    """Forget the room once all its guests are settled."""
    await db.execute(SQL["drop_checkpoint"], session_id)
