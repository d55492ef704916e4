"""The rooms this hub's people are in: it hears each of them and passes on what is said, in order.

Every fact of a room carries a dense number, `rev`. A hub that sees a jump reads what it missed from the
store before it passes on anything further, so its sockets see no gap either.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgpack
import structlog
from redis.exceptions import RedisError

from hub.delivery import Delivery, Follow, call_by_name, put_out
from hub.moderation.observed import SESSION_OVER
from rooms.deadlines import next_due_ms
from rooms.departure import Proofs
from rooms.errors import RoomError
from rooms.ids import SessionId, UserId
from rooms.room import OVER, Room, State
from store.redis import keys
from store.redis.bus import Bus
from store.redis.chat import Chat, Delivered
from store.redis.rooms import Logged, Outgoing, Rooms

log = structlog.get_logger()

HEAL_AGAIN_S = 0.5

Open = Callable[[Room, Delivered], Awaitable[bytes | None]]
"""A stored message back into the JSON fragment that was told, if it can still be opened."""


class Follows:
    """The rooms this hub follows."""

    def __init__(
        self,
        bus: Bus,
        rooms: Rooms,
        chat: Chat,
        *,
        delivery: Delivery,
        has_socket: Callable[[UserId], bool],
        open_message: Open,
        on_due: Callable[[SessionId], None],
        on_over: Callable[[SessionId], Proofs],
        delay_s: Callable[[int], float],
        on_healed: Callable[[Follow], None] = lambda _followed: None,
    ) -> None:
        self._bus = bus
        self._rooms = rooms
        self._chat = chat
        self._delivery = delivery
        self._has_socket = has_socket
        self._open_message = open_message
        self._on_due = on_due
        self._on_over = on_over
        self._delay_s = delay_s
        self._on_healed = on_healed
        self._healing: set[asyncio.Task[None]] = set()
        self.by_room: dict[SessionId, Follow] = {}

    async def follow(self, session_id: SessionId) -> Follow | None:
        """Hear a room from now on. None when there is no such room."""
        while (known := self.by_room.get(session_id)) is not None and known.ready is not None:
            await asyncio.shield(known.ready)
            if self.by_room.get(session_id) is known:
                return known
            # Whoever asked first asked before the room was there. It may be there by now.
        followed = Follow(session_id, ready=asyncio.get_running_loop().create_future())
        self.by_room[session_id] = followed
        try:
            await self._bus.subscribe(keys.room(session_id), partial(self._hear_raw, followed))
            loaded = await self._rooms.load(session_id)
        except BaseException:
            self.unfollow(session_id)
            raise
        if loaded is None:
            self.unfollow(session_id)
            return None
        followed.rev, followed.seq = loaded.rev, loaded.seq
        followed.begun = loaded.room
        self._see(followed, loaded.room)
        self._catch_up(followed)
        if followed.ready is not None and not followed.ready.done():
            followed.ready.set_result(None)
        if loaded.room.state in OVER and loaded.room.state is not State.ENDED:
            # Nothing more will be said; whoever asked has what there is.
            self.unfollow(session_id)
        return followed

    def unfollow(self, session_id: SessionId) -> None:
        """Hear the room no more."""
        followed = self.by_room.pop(session_id, None)
        if followed is None:
            return
        self._bus.unsubscribe(keys.room(session_id))
        if followed.due is not None:
            followed.due.cancel()
        if followed.ready is not None and not followed.ready.done():
            followed.ready.set_result(None)
        followed.observers.end_all(SESSION_OVER if followed.state in OVER else None)
        followed.changed.set()

    def forget_all(self) -> None:
        """Hear no room any more."""
        for session_id in list(self.by_room):
            self.unfollow(session_id)

    def let_go(self, user_id: UserId) -> None:
        """A person has no socket here any more: stop following rooms that nobody here is in."""
        for followed in list(self.by_room.values()):
            if user_id in followed.people:
                self.let_go_of(followed)

    def let_go_of(self, followed: Follow) -> None:
        """Stop following a room that nobody here is in and nobody here observes."""
        wanted = followed.observers or any(map(self._has_socket, followed.people))
        if not wanted and self.by_room.get(followed.session_id) is followed:
            self.unfollow(followed.session_id)

    def heal_all(self) -> None:
        """The bus was away: whatever was said meanwhile is read from the store."""
        for followed in list(self.by_room.values()):
            self._heal(followed)

    async def next_change(self, followed: Follow, *, after: int, timeout_s: float) -> bool:
        """Wait until the room is past version `after`. False when it was not within the time."""
        if followed.version > after:
            return True
        followed.changed.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await followed.changed.wait()
        except TimeoutError:
            return False
        return True

    def _see(self, followed: Follow, room: Room) -> None:
        followed.version = room.version
        followed.state = room.state
        followed.people = {person.user_id: person for person in room.people if person.lobby != "refused"}
        if room.kind == "live_room":
            for guest in room.guests:
                if guest.lobby != "admitted":
                    put_out(followed, guest.user_id)
        self._arm(followed, next_due_ms(room))

    def _arm(self, followed: Follow, due_ms: int | None) -> None:
        if followed.due is not None:
            followed.due.cancel()
            followed.due = None
        if due_ms is not None:
            delay_s = self._delay_s(due_ms)
            followed.due = asyncio.get_running_loop().call_later(delay_s, self._on_due, followed.session_id)

    # Hearing. From here to `_heal` nothing waits: order is kept because each message is dealt with whole.

    def _hear_raw(self, followed: Follow, message: bytes) -> None:
        self._hear(followed, msgpack.unpackb(message, raw=True))

    def _hear(self, followed: Follow, message: list[Any]) -> None:
        if message[0] == b"t":
            self._delivery.moment(followed, message)
        elif followed.early is not None:
            followed.early.append(message)
        elif _first_rev(message) > followed.rev + 1:
            followed.early = [message]
            self._heal(followed)
        else:
            self._pass_on(followed, message)

    def _catch_up(self, followed: Follow) -> None:
        early, followed.early = followed.early or [], None
        for message in early:
            self._hear(followed, message)

    def _pass_on(self, followed: Follow, message: list[Any]) -> None:
        if message[0] == b"c":
            self._pass_chat(followed, message)
            return
        _, first, version, due_ms, state, events = message
        for rev, event in enumerate(events, first):
            if rev > followed.rev:
                followed.rev = rev
                self._delivery.event(followed, Outgoing(event[0].decode(), event[1].decode(), event[2]))
                if event[1] == b"session:state":
                    call_by_name(followed, event[2])
        if version > followed.version:
            followed.version = version
            self._arm(followed, int(due_ms) if due_ms else None)
            self._turn(followed, State(state.decode()))
            followed.changed.set()

    def _turn(self, followed: Follow, state: State) -> None:
        followed.state = state
        if state not in OVER:
            return
        followed.joined.clear()
        followed.observers.end_all(SESSION_OVER)
        followed.heard_at_end = {**followed.heard_at_end, **self._on_over(followed.session_id)}
        if state is not State.ENDED:
            self.unfollow(followed.session_id)

    def _pass_chat(self, followed: Follow, message: list[Any]) -> None:
        _, rev, seq, at_ms, id_, no, client_id, sealed, sender, fragment = message
        if rev <= followed.rev:
            return
        followed.rev, followed.seq = rev, seq
        delivered = Delivered(
            rev, seq, at_ms, id_.decode(), int(no), client_id.decode(), sealed, UserId(sender.decode())
        )
        self._delivery.chat(followed, delivered, fragment)

    # Healing.

    def _heal(self, followed: Follow) -> None:
        if followed.healing or followed.ready is None or not followed.ready.done():
            followed.heal_again = followed.healing
            return
        followed.healing = True
        if followed.early is None:
            followed.early = []
        task = asyncio.create_task(self._read_gap(followed))
        self._healing.add(task)
        task.add_done_callback(self._healing.discard)

    async def _read_gap(self, followed: Follow) -> None:
        while followed.session_id in self.by_room:
            followed.heal_again = False
            try:
                await self._fill_gap(followed)
                if not followed.heal_again:
                    break
            except (OSError, RedisError, RoomError) as error:
                log.warning("room.heal_failed", session=followed.session_id, error=type(error).__name__)
                await asyncio.sleep(HEAL_AGAIN_S)
        followed.healing = False
        self._catch_up(followed)

    async def _fill_gap(self, followed: Follow) -> None:
        loaded = await self._rooms.load(followed.session_id)
        if loaded is None:
            self.unfollow(followed.session_id)
            return
        told = await self._rooms.log_since(followed.session_id, followed.rev)
        said = await self._chat.replay(followed.session_id, followed.seq)
        fragments = {
            message.seq: await self._open_message(loaded.room, message) for message in said if message.id
        }
        missed: list[Logged | Delivered] = sorted([*told, *said], key=lambda item: item.rev)
        for item in missed:
            self._pass_missed(followed, item, fragments)
        followed.rev = max(followed.rev, loaded.rev)
        followed.seq = max(followed.seq, loaded.seq)
        self._see(followed, loaded.room)
        if loaded.room.state in OVER:
            self._turn(followed, loaded.room.state)
        followed.changed.set()
        self._on_healed(followed)

    def _pass_missed(
        self, followed: Follow, item: Logged | Delivered, fragments: dict[int, bytes | None]
    ) -> None:
        if isinstance(item, Logged):
            self._delivery.event(followed, item.outgoing)
        else:
            followed.seq = item.seq
            fragment = fragments.get(item.seq)
            if fragment is None:
                self._delivery.lost(followed, item.seq)
            else:
                self._delivery.chat(followed, item, fragment)
        followed.rev = max(followed.rev, item.rev)


def _first_rev(message: list[Any]) -> int:
    return int(message[1])
