"""When the live store has lost its data: one process rebuilds the open sessions from their checkpoints.

The store and Postgres each hold an epoch. Where they differ, nothing in the store is to be trusted. Hubs that
notice first write down what they still remember; the one that begins the new epoch waits for that, rebuilds,
and only then gives the store its epoch back.
"""

import asyncio
from collections.abc import Awaitable, Callable

import asyncpg
import structlog
import uuid_utils

from rooms.room import OVER, Room
from store.postgres import checkpoints, epochs, operations, sessions, transcript
from store.records import Checkpoint, Epoch, StoredMessage
from store.redis.chat import Chat, Delivered
from store.redis.directory import Directory
from store.redis.hubs import Hubs
from store.redis.people import People
from store.redis.rooms import Rooms, decode_room

log = structlog.get_logger()

PAGE = 200
REMEMBER_S = 3.0
"""Time for every hub to notice and to write down its last messages: a few heartbeats."""
LOOK_AGAIN_S = 0.5
STALLED_MS = 30_000
"""A rebuilding that has not finished by then was left by a process that died."""


class Recovery:
    """Makes the store's epoch and the record's agree."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        hubs: Hubs,
        rooms: Rooms,
        chat: Chat,
        people: People,
        directory: Directory,
        *,
        now_ms: Callable[[], int],
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._pool = pool
        self._hubs = hubs
        self._rooms = rooms
        self._chat = chat
        self._people = people
        self._directory = directory
        self._now_ms = now_ms
        self._pause = pause

    async def ensure(self) -> str:
        """Return once store and record agree, with their epoch; rebuild if nobody else does."""
        while True:
            recorded, found = await epochs.read(self._pool), await self._hubs.epoch()
            if recorded is not None and recorded.state == "ready" and recorded.epoch == found:
                return found
            if not self._is_under_way(recorded):
                fresh = str(uuid_utils.uuid7())
                seen = None if recorded is None else recorded.epoch
                if await epochs.begin(self._pool, fresh, seen=seen, now_ms=self._now_ms()):
                    await self._rebuild(fresh, first=recorded is None)
                    continue
            await self._pause(LOOK_AGAIN_S)

    async def is_ready(self, epoch: str | None) -> bool:
        """Whether this is the epoch on record, and its rooms are rebuilt."""
        recorded = await epochs.read(self._pool)
        return recorded is not None and recorded.state == "ready" and recorded.epoch == epoch

    def _is_under_way(self, recorded: Epoch | None) -> bool:
        if recorded is None or recorded.state != "rebuilding":
            return False
        return self._now_ms() - recorded.changed_at_ms < STALLED_MS

    async def _rebuild(self, epoch: str, *, first: bool) -> None:
        rebuilt = 0
        if not first:
            log.error("recovery.begun", epoch=epoch)
            await self._pause(REMEMBER_S)
            rebuilt = await self._restore_all()
        # The store first: a crash in between leaves the record `rebuilding`, and somebody begins anew.
        await self._hubs.set_epoch(epoch)
        await epochs.finish(self._pool, epoch, now_ms=self._now_ms())
        log.info("recovery.finished", epoch=epoch, rooms=rebuilt)

    async def _restore_all(self) -> int:
        rebuilt, after = 0, None
        while True:
            page = await checkpoints.open_rooms(self._pool, limit=PAGE, after=after)
            for seen in page:
                rebuilt += await self._restore(seen)
            if len(page) < PAGE:
                return rebuilt
            after = page[-1].session_id

    async def _restore(self, seen: Checkpoint) -> bool:
        recorded = await sessions.state(self._pool, seen.session_id)
        if recorded in OVER:
            # The record wins: what is settled is not brought back to life.
            return False
        room = decode_room(seen.room)
        kept = transcript.whole(await transcript.kept(self._pool, seen.session_id), head_seq=seen.head_seq)
        restored = await self._rooms.restore(room, rev=len(kept), seq=0, said_ms=0)
        if restored:
            known = [_delivered(room, message) for message in kept if not message.lost]
            await self._chat.restore(seen.session_id, known, rev=len(kept), head_seq=len(kept))
            await operations.apply_again(self._pool, room.id)
            if room.holds_people:
                await self._hold_again(room)
        return restored

    async def _hold_again(self, room: Room) -> None:
        for person in filter(room.holds, room.people):
            if await self._people.reserve(person.user_id, room.id, must_be_online=False) is None:
                await self._people.confirm(person.user_id, room.id)
            if person.role == "practitioner":
                await self._directory.show(await self._people.standing(person.user_id))


def _delivered(room: Room, message: StoredMessage) -> Delivered:
    sender = next(person for person in room.people if person.no == message.participant_no)
    return Delivered(
        message.seq,
        message.seq,
        message.at_ms,
        message.id,
        message.participant_no,
        message.client_id,
        message.body,
        sender.user_id,
        message.body_sha256,
    )
