"""In and out of the room."""

import asyncio
from functools import partial
from typing import NamedTuple

import asyncpg
import structlog
from msgspec import UNSET

from hub import eligible, views, wire
from hub.chatting import messages, told
from hub.delivery import Follow
from hub.edge.connection import Connection
from hub.events.media import credentials
from hub.hub import Hub
from hub.lobby.opening import hold_host
from hub.safety.blocks import blocked
from hub.safety.checking import begin_window
from hub.tell import lobby, sees_all
from hub.views import meter_view
from rooms import session
from rooms.errors import NotFound, NotLive
from rooms.ids import SessionId
from rooms.room import Participant, Room
from store.postgres import live_rooms
from store.redis.turns import Loaded

log = structlog.get_logger()

BLOCKS_WITHIN_S = 2.0
"""A record that does not answer keeps nobody out of their room for longer."""


class Said(NamedTuple):
    """A piece of the transcript. `to_head`: nothing came after it when it was read."""

    messages: list[wire.Message]
    after_seq: int
    to_head: bool


async def join(hub: Hub, connection: Connection, body: wire.JoinRoom) -> wire.Joined:
    """`room:join`: enter, and learn in one answer everything that later events build on."""
    session_id = SessionId(body.session_id)
    followed = await hub.follows.follow(session_id)
    if followed is None:
        raise NotFound
    before = await hub.live.rooms.require(session_id)
    await _require_eligible(hub, connection, before.room)
    await _require_no_block(hub, connection, followed, before.room)
    if before.room.kind == "live_room" and before.room.practitioner.user_id == connection.user_id:
        await hold_host(hub, before.room)
    if (me := followed.people.get(connection.user_id)) is not None:
        # Before the entry: whatever is said from then on is heard.
        await begin_window(hub, followed, me)
    decide = partial(
        session.join, who=connection.user_id, connection=connection.id, hub=hub.here(), seq=before.seq
    )
    loaded = await hub.live.change(session_id, decide)
    _note_entry(hub, before.room, loaded.room, connection)
    await _load_keys(hub, loaded.room, connection)
    said = await _said(hub, loaded, _part(loaded.room, connection), body.after_seq)
    while followed.version > loaded.room.version:
        # The room changed while its history was read; events about that went past this socket.
        loaded = await hub.live.rooms.require(session_id)
    return _enter(hub, connection, followed, loaded, said)


async def leave(hub: Hub, connection: Connection, body: wire.OfSession) -> wire.Done:
    """`room:leave`: this socket goes; the session waits for its person to come back."""
    session_id = SessionId(body.session_id)
    room = (await hub.live.rooms.require(session_id)).room
    if room.participant(connection.user_id) is None:
        raise NotFound
    await hub.live.change(session_id, partial(session.leave, connection=connection.id))
    hub.presence.leave(hub.follows.by_room.get(session_id), session_id, connection)
    return wire.Done()


async def _require_eligible(hub: Hub, connection: Connection, room: Room) -> None:
    """At the first entry. Who was inside comes back whether the record can be asked just now or not."""
    me = room.participant(connection.user_id)
    # A visit of a moment leaves no span, but a session of two was only ever live with both of them.
    both = room.kind != "live_room" and room.live_at_ms is not None
    if me is not None and not both and not me.spans and not me.anchors:
        await eligible.to_take_part(hub, connection.user_id)


async def _require_no_block(hub: Hub, connection: Connection, followed: Follow, room: Room) -> None:
    """Two people of whom one blocked the other don't meet again. Raises Refused(blocked).

    In a live room that is between a guest and the host: guests have not chosen each other's company.
    """
    if connection.user_id not in followed.people:
        return
    try:
        async with asyncio.timeout(BLOCKS_WITHIN_S):
            hidden = await hub.blocks.of(connection.user_id)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        # The room goes on without the record: a block ends what two people have open when it is made.
        log.warning("blocks.unknown", error=type(error).__name__)
        return
    host = room.practitioner.user_id
    met = followed.people if room.kind != "live_room" else () if host == connection.user_id else (host,)
    if not hidden.isdisjoint(met):
        raise blocked()


def _note_entry(hub: Hub, before: Room, room: Room, connection: Connection) -> None:
    """Who comes into a live room for the first time is on record as having met those who are in it. The room
    does not wait for that; the record of their part says it again.
    """
    then, me = before.participant(connection.user_id), _part(room, connection)
    if room.kind == "live_room" and me.entered_at_ms is not None and then and then.entered_at_ms is None:
        hub.spawn("live_room.enter", lambda: live_rooms.enter(hub.pool, room, me))


def _enter(
    hub: Hub,
    connection: Connection,
    followed: Follow,
    loaded: Loaded,
    said: Said,
) -> wire.Joined:
    """From here to the acknowledgement nothing waits, so no event falls in between."""
    room = loaded.room
    me = _part(room, connection)
    if not any(anchor.connection == connection.id for anchor in me.anchors):
        raise NotLive
    if connection.closed:
        hub.presence.owe(room.id, connection)
        raise NotLive
    hub.presence.enter(followed, connection)
    guest = me if me.role == "guest" else None if room.kind == "live_room" else room.guests[0]
    is_host = room.kind == "live_room" and me.role == "practitioner"
    said_now = [*said.messages, *(_since(followed, said) if said.to_head else [])]
    return wire.Joined(
        session=views.session(room),
        participants=views.participants(room, me, all_of_them=sees_all(room, me.user_id)),
        messages=said_now,
        # What was read may be ahead of what this hub was told.
        head_seq=max(followed.seq, loaded.seq, *(message.seq for message in said_now[-1:])),
        meter=None if guest is None else meter_view(room, guest, max(loaded.now_ms, room.clock_ms)),
        media=credentials(hub, room, me, loaded.now_ms),
        you=wire.You(me.user_id, me.role, me.muted),
        waiting=lobby(room).waiting if is_host else UNSET,
    )


def _since(followed: Follow, said: Said) -> list[wire.Message]:
    """What was told while the history was read: it went past this socket."""
    head = said.messages[-1].seq if said.messages else said.after_seq
    return [told(delivered, fragment) for delivered, fragment in followed.tail if delivered.seq > head]


async def _said(hub: Hub, loaded: Loaded, me: Participant, after_seq: int | None) -> Said:
    room, sizes = loaded.room, hub.sizes
    if after_seq is None and room.history == "none" and me.role == "guest":
        return Said([], loaded.seq, to_head=True)
    if after_seq is None:
        stored = await hub.chat.last(room.id, sizes.join_messages)
        shown = [message for message in stored if message.seq > me.from_seq]
        return Said(await messages(hub.keyring, room, shown), me.from_seq, to_head=True)
    after_seq = max(after_seq, me.from_seq)
    stored = await hub.chat.read(room.id, after_seq, sizes.catch_up_messages)
    whole = len(stored) < sizes.catch_up_messages
    return Said(await messages(hub.keyring, room, stored), after_seq, to_head=whole)


async def _load_keys(hub: Hub, room: Room, connection: Connection) -> None:
    """Of a live room's many only one's own; the others' as their messages come up."""
    people = [_part(room, connection)] if room.kind == "live_room" else room.people
    for person in people:
        await hub.keyring.load(person.user_id)


def _part(room: Room, connection: Connection) -> Participant:
    person = room.participant(connection.user_id)
    if person is None:
        raise NotFound
    return person
