"""Releases what was held for somebody who is not let into a live room, without waiting for the room's end."""

import asyncpg

from billing.collection import cancels, held
from rooms.room import Participant, Room
from store.postgres import operations, settlements


async def release(
    pool: asyncpg.Pool, room: Room, guest: Participant, environment: str, *, now_ms: int
) -> int:
    """Want the release of every hold of knocks that came to nothing; how many were not wanted before.

    Their bill is made with the room's end. A hold whose fate is not known yet is released when it is: the
    room does not count it.
    """
    latest = guest.hold.further.tried if guest.hold is not None else 0
    # Whoever knocks anew in this moment has another hold, which stays.
    holds = [one for one in await settlements.holds(pool, room.id, guest.no) if one.ordinal <= latest]
    wanted = cancels(room, tuple(map(held, holds)), kept=set())
    inserted = await operations.insert_operations(pool, environment, room.id, guest.no, wanted, now_ms=now_ms)
    return len(inserted)
