"""Rooms: load one, decide, commit. Whoever commits on the version they read wins; the others decide again."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple

import msgspec
from msgspec.structs import replace
from redis.asyncio import Redis

from rooms.chat import voices
from rooms.deadlines import next_due_ms
from rooms.errors import ChangedTooOften, Fenced, NotFound
from rooms.ids import HubId, SessionId, UserId
from rooms.news import Change, News
from rooms.room import OPEN, OVER, Room, State
from store.redis import keys
from store.redis.command import command
from store.redis.script import Script, packed
from store.redis.turns import Decide, Loaded, Turns, Wish

LATEST = frozenset({"lobby:changed"})
"""Events that say all there is to say: of several in one commit the last is told."""
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
        self._turns = Turns()

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
        room = replace(change.room, version=1)
        told = self._tell(room, change.news, room.clock_ms)
        committed = await self._commit(room, told, before=None)
        return room if committed else (await self.require(room.id)).room

    async def change(self, session_id: SessionId, decide: Decide) -> Loaded:
        """Decide on the room as it is and commit. Gives the room afterwards and the time of the decision.

        Raises whatever the decision refuses with, NotFound, Fenced, or ChangedTooOften.
        """
        return await self._turns.take(session_id, decide, partial(self._decide, session_id))

    async def _decide(self, session_id: SessionId, wishes: Sequence[Wish]) -> None:
        """Decide all of it, one after the other, on one reading of the room, and commit it together."""
        for _ in range(ATTEMPTS):
            loaded = await self.require(session_id)
            room, told, errors = self._decided(loaded, wishes)
            if room is loaded.room:
                outcome = loaded
            elif await self._commit(room, told, before=loaded.room):
                outcome = Loaded(room, loaded.now_ms, loaded.rev + len(told), loaded.seq)
            else:
                continue
            for wish in wishes:
                wish.settle(outcome, errors.get(wish))
            return
        raise ChangedTooOften

    def _decided(
        self, loaded: Loaded, wishes: Sequence[Wish]
    ) -> tuple[Room, list[Outgoing], dict[Wish, Exception]]:
        """The room after all of them, what is told, and which of them were refused. The others stand."""
        room, told, errors = loaded.room, list[Outgoing](), dict[Wish, Exception]()
        for wish in wishes:
            try:
                change = wish.decide(room, now_ms=loaded.now_ms)
            except Exception as error:  # noqa: BLE001  Whoever wished for it is told; nobody else is.
                errors[wish] = error
                continue
            if change.room == room and not change.news:
                continue
            room = replace(change.room, version=loaded.room.version + 1)
            told += self._tell(room, change.news, loaded.now_ms)
        return room, latest(told), errors

    async def _commit(self, room: Room, told: list[Outgoing], *, before: Room | None) -> bool:
        """Whether it was committed: nobody else was faster. Raises Fenced."""
        bucket, hub = keys.bucket(room.id), self._hub()
        due_ms = next_due_ms(room)
        here = any(anchor.hub == hub for person in room.people for anchor in person.anchors)
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
                room.version - 1,
                _encode(room),
                "" if due_ms is None else due_ms,
                room.id,
                keys.room(room.id),
                packed(told),
                packed(voices(room)),
                packed(to_settle(before, room)),
                "1" if here else "0",
                "1" if room.state in OPEN else "0",
                LOG_KEPT,
                room.state.value,
            ],
        )
        if answer[0] == b"fenced":
            raise Fenced
        return bool(answer[0] == b"ok")

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


def latest(told: list[Outgoing]) -> list[Outgoing]:
    """What is told, without what is told anew further on."""
    last = {(one.audience, one.name): n for n, one in enumerate(told) if one.name in LATEST}
    return [one for n, one in enumerate(told) if last.get((one.audience, one.name), n) == n]


def to_settle(before: Room | None, room: Room) -> list[UserId]:
    """Whose part of the session is to go on record by this change.

    With its end those whose part lasted until then; of a live room each guest as they are out, and with its
    end the host too, for the transcript.
    """
    if room.kind != "live_room":
        now_over = room.state in OVER and room.ended_at_ms == room.clock_ms
        freshly = now_over and room.state is not State.SETTLED
        return [guest.user_id for guest in room.guests] if freshly else []
    if room.state is State.SETTLED or before is None or before.state in OVER:
        return []
    if room.state in OVER:
        # Of who was never in, what was held is released by now, but not put on record.
        gone = {guest.user_id for guest in before.guests if guest.ended_at_ms is not None}
        everybody = [guest.user_id for guest in room.guests if guest.user_id not in gone]
        return [*everybody, room.practitioner.user_id]
    then = {guest.no: guest.lobby for guest in before.guests}
    return [
        guest.user_id for guest in room.guests if guest.lobby == "refused" and then.get(guest.no) != "refused"
    ]


def encode_room(room: Room) -> bytes:
    """The room as a checkpoint keeps it."""
    return _encode(room)


def decode_room(blob: bytes) -> Room:
    """A room from its checkpoint."""
    return _decode(blob)
