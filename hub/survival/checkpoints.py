"""What a hub writes to Postgres every few seconds, so that a session outlives the loss of the live store.

A checkpoint holds the room with all presence closed at its proofs: what it claims is proven, so that a
session rebuilt from it bills no moment that nobody can show.
"""

from dataclasses import dataclass

import asyncpg

from hub.delivery import Follow
from hub.follow import Follows
from hub.live import Live
from rooms import departure
from rooms.ids import SessionId
from rooms.room import OVER, Room
from store.postgres import checkpoints, transcript
from store.records import Checkpoint, StoredMessage
from store.redis.chat import Chat, Delivered
from store.redis.rooms import encode_room

AT_ONCE = 200
"""Rooms in one statement."""


@dataclass(slots=True)
class Kept:
    """What of a room is in Postgres already."""

    version: int = 0
    seq: int = 0


class Checkpoints:
    """Keeps the open rooms of this hub in Postgres. Several hubs of one room do no harm: the newer wins."""

    def __init__(self, pool: asyncpg.Pool, live: Live, chat: Chat, follows: Follows) -> None:
        self._pool = pool
        self._live = live
        self._chat = chat
        self._follows = follows
        self._kept: dict[SessionId, Kept] = {}

    async def run_once(self, epoch: str) -> int:
        """Write what has moved on since the last time. Gives how many rooms that were."""
        followed = [f for f in self._follows.by_room.values() if f.state not in OVER]
        self._kept = {f.session_id: self._kept.get(f.session_id, Kept()) for f in followed}
        moved = [f for f in followed if f.joined or self._has_moved(f)]
        for start in range(0, len(moved), AT_ONCE):
            await self._save(moved[start : start + AT_ONCE], epoch)
        return len(moved)

    async def save_tails(self) -> int:
        """The store's data is gone: write down every message this hub still remembers."""
        saved = 0
        for followed in list(self._follows.by_room.values()):
            tail = [_stored(delivered) for delivered, _ in followed.tail]
            await transcript.append(self._pool, followed.session_id, tail)
            saved += len(tail)
        return saved

    def _has_moved(self, followed: Follow) -> bool:
        kept = self._kept[followed.session_id]
        return followed.version > kept.version or followed.seq > kept.seq

    async def _save(self, followed: list[Follow], epoch: str) -> None:
        rows: list[Checkpoint] = []
        for one in followed:
            row = await self._row(one, epoch)
            if row is not None:
                rows.append(row)
        await checkpoints.save(self._pool, rows)
        for row in rows:
            self._kept[row.session_id] = Kept(row.version, row.head_seq)

    async def _row(self, followed: Follow, epoch: str) -> Checkpoint | None:
        loaded = await self._live.rooms.load(followed.session_id)
        if loaded is None or loaded.room.state in OVER:
            return None
        said = await self._chat.read(followed.session_id, self._kept[followed.session_id].seq, 1_000)
        await transcript.append(self._pool, followed.session_id, said)
        head_seq = said[-1].seq if said else self._kept[followed.session_id].seq
        proven = await self._proven(loaded.room, loaded.now_ms)
        return Checkpoint(
            session_id=followed.session_id,
            version=loaded.room.version,
            epoch=epoch,
            at_ms=loaded.now_ms,
            head_seq=head_seq,
            room=encode_room(proven),
        )

    async def _proven(self, room: Room, now_ms: int) -> Room:
        proofs = await self._live.proofs(room)
        everyone = {
            anchor.connection: proofs.get(anchor.connection, anchor.since_ms)
            for person in room.people
            for anchor in person.anchors
        }
        return departure.drop(room, everyone, reason="store_lost", now_ms=now_ms).room


def checkpoint(room: Room, epoch: str) -> Checkpoint:
    """A room that was just requested: nobody has been in it, so nothing needs a proof."""
    return Checkpoint(room.id, room.version, epoch, room.clock_ms, 0, encode_room(room))


def _stored(delivered: Delivered) -> StoredMessage:
    return StoredMessage(
        delivered.seq,
        delivered.id,
        delivered.participant_no,
        delivered.at_ms,
        delivered.client_id,
        delivered.sealed,
    )
