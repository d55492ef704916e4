"""Rooms that are open while their host is leaving: nobody was in yet, so nobody pays, and they are found no
more.
"""

from functools import partial
from typing import Final

import asyncpg

from hub.live import Live
from rooms import session
from rooms.departure import Proofs
from rooms.errors import NotFound
from rooms.ids import UserId
from rooms.news import Change
from rooms.room import Room, State
from store.postgres import live_rooms

AT_ONCE: Final = 100


async def close_rooms_of_leaving(pool: asyncpg.Pool, live: Live) -> int:
    """Close the rooms of hosts who are to be erased, apart from those that are live; how many were looked
    at.
    """
    found = await live_rooms.rooms_of_leaving(pool, limit=AT_ONCE)
    for session_id, host_id in found:
        try:
            await live.change_with_proofs(session_id, partial(_decide, host_id))
        except NotFound:
            # On its way to the record, which closes it.
            continue
    return len(found)


def _decide(host_id: UserId, room: Room, proofs: Proofs, now_ms: int) -> Change:
    """What is live goes on to its end."""
    if room.state is not State.WAITING:
        return Change(room)
    return session.end(room, host_id, proofs=proofs, now_ms=now_ms)
