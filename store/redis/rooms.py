"""Rooms: load one, decide, commit. Whoever commits on the version they read wins; the others decide again."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import msgspec
from msgspec.structs import replace
from redis.asyncio import Redis

from rooms.chat import voices
from rooms.deadlines import next_due_ms
from rooms.errors import ChangedTooOften, Fenced, NotFound
from rooms.ids import HubId, SessionId
from rooms.news import Change, News
from rooms.room import OPEN, OVER, Room
from store.redis import keys
from store.redis.command import command
from store.redis.script import Script, packed

LOG_KEPT = 2_000
"""Facts kept in a room's log: enough for a hub that was deaf for minutes."""
ATTEMPTS = 12
"""How often a decision is made anew when others were faster."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Room).decode
_load = Script("room_load")
_change = Script("room_change")
_restore = Script("room_restore")


class Outgoing(NamedTuple):
    """A fact as it is told: to `people`, `room` or `user:<id>`, under its public name, body as JSON."""

    audience: str
    name: str
    body: bytes


class Logged(NamedTuple):
    """A fact in the room's log."""

    rev: int
    outgoing: Outgoing


@dataclass(frozen=True, slots=True)
class Loaded:
    """A room as read, with the store's time of that moment."""

    room: Room
    now_ms: int
    rev: int
    seq: int


class Decide(Protocol):
    """A pure decision: the room and the time in, the change out."""

    def __call__(self, room: Room, *, now_ms: int) -> Change:
        """Decide, or raise a RoomError."""


Tell = Callable[[Room, Sequence[News], int], list[Outgoing]]
"""How facts become events of the contract: (room after the change, facts, now_ms)."""


class Rooms:
    """All rooms, as one hub or worker sees and changes them.

    `hub` names who writes, or raises when nothing may be written. `absent` is asked before a room is said not
    to exist, and raises when the store has lost it.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        hub: Callable[[], HubId],
        tell: Tell,
        absent: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._redis = redis
        self._hub = hub
        self._tell = tell
        self._absent = absent

    async def load(self, session_id: SessionId) -> Loaded | None:
        """The room, or None when the store has none of this id."""
        now_ms, blob, version, rev, seq = await _load.run(self._redis, [keys.room(session_id)], [])
        if not blob:
            if self._absent is not None:
                await self._absent()
            return None
        return Loaded(replace(_decode(blob), version=version), now_ms, rev, seq)

    async def require(self, session_id: SessionId) -> Loaded:
        """The room. Raises NotFound."""
        loaded = await self.load(session_id)
        if loaded is None:
            raise NotFound
        return loaded

    async def now_ms(self) -> int:
        """The store's time."""
        seconds, micros = await self._redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    async def create(self, change: Change) -> Room:
        """Open a room that does not exist yet; asked again, it gives the one that does."""
        committed = await self._commit(change, expected=0, now_ms=change.room.clock_ms)
        return committed or (await self.require(change.room.id)).room

    async def change(self, session_id: SessionId, decide: Decide) -> Loaded:
        """Decide on the room as it is and commit. Gives the room afterwards and the time of the decision.

        Raises whatever the decision refuses with, NotFound, Fenced, or ChangedTooOften.
        """
        for _ in range(ATTEMPTS):
            loaded = await self.require(session_id)
            change = decide(loaded.room, now_ms=loaded.now_ms)
            if change.room == loaded.room and not change.news:
                return loaded
            committed = await self._commit(change, expected=loaded.room.version, now_ms=loaded.now_ms)
            if committed is not None:
                return Loaded(committed, loaded.now_ms, loaded.rev + len(change.news), loaded.seq)
        raise ChangedTooOften

    async def _commit(self, change: Change, *, expected: int, now_ms: int) -> Room | None:
        room = replace(change.room, version=expected + 1)
        bucket, hub = keys.bucket(room.id), self._hub()
        over = room.state in OVER
        due_ms = next_due_ms(room)
        here = any(anchor.hub == hub for person in room.people for anchor in person.anchors)
        freshly_over = over and room.ended_at_ms == room.clock_ms and room.state != "settled"
        answer = await _change.run(
            self._redis,
            [
                keys.room(room.id),
                keys.log(room.id),
                keys.due(bucket),
                keys.index(bucket),
                keys.settlements(bucket),
                keys.fence(bucket, hub),
                keys.hub_rooms(bucket, hub),
            ],
            [
                expected,
                _encode(room),
                "" if due_ms is None else due_ms,
                room.id,
                keys.room(room.id),
                packed(self._tell(room, change.news, now_ms)),
                packed(voices(room)),
                packed([guest.user_id for guest in room.guests] if freshly_over else []),
                "1" if here else "0",
                "1" if room.state in OPEN else "0",
                LOG_KEPT,
                room.state.value,
            ],
        )
        if answer[0] == b"fenced":
            raise Fenced
        return room if answer[0] == b"ok" else None

    async def log_since(self, session_id: SessionId, rev: int, limit: int = LOG_KEPT) -> list[Logged]:
        """What was told in the room after `rev`, chat apart, in order."""
        entries = await command(
            self._redis, "XRANGE", keys.log(session_id), f"{rev + 1}-0", "+", "COUNT", limit
        )
        return [
            Logged(
                int(entry.split(b"-")[0]),
                Outgoing(fields[b"a"].decode(), fields[b"n"].decode(), fields[b"b"]),
            )
            for entry, fields in entries
        ]

    async def publish(self, session_id: SessionId, message: bytes) -> None:
        """Tell the room something that is true for a moment only and need not be kept."""
        await command(self._redis, "SPUBLISH", keys.room(session_id), message)

    async def due(self, now_ms: int, limit: int = 100) -> list[SessionId]:
        """Rooms whose deadline has come, in any bucket."""
        pipe = self._redis.pipeline(transaction=False)
        for bucket in keys.BUCKETS:
            pipe.zrange(keys.due(bucket), "-inf", now_ms, byscore=True, offset=0, num=limit)
        return [SessionId(member.decode()) for members in await pipe.execute() for member in members]

    async def forget_due(self, session_id: SessionId) -> None:
        """The room is gone; so is its deadline."""
        await command(self._redis, "ZREM", keys.due(keys.bucket(session_id)), session_id)

    async def unrecorded(self, before_s: int, limit: int = 100) -> list[SessionId]:
        """Rooms that began before a time and are not on record yet."""
        pipe = self._redis.pipeline(transaction=False)
        for bucket in keys.BUCKETS:
            pipe.zrange(keys.index(bucket), "-inf", before_s, byscore=True, offset=0, num=limit)
        return [SessionId(member.decode()) for members in await pipe.execute() for member in members]

    async def restore(self, room: Room, *, rev: int, seq: int, said_ms: int) -> bool:
        """Put a room back from its checkpoint, unless it is there as new or newer. True when it was."""
        bucket, due_ms = keys.bucket(room.id), next_due_ms(room)
        put = await _restore.run(
            self._redis,
            [keys.room(room.id), keys.due(bucket), keys.index(bucket)],
            [
                room.version,
                _encode(room),
                "" if due_ms is None else due_ms,
                room.id,
                "1" if room.state in OPEN else "0",
                packed(voices(room)),
                rev,
                seq,
                said_ms,
            ],
        )
        return bool(put)


def encode_room(room: Room) -> bytes:
    """The room as a checkpoint keeps it."""
    return _encode(room)


def decode_room(blob: bytes) -> Room:
    """A room from its checkpoint."""
    return _decode(blob)
