"""In and out of the room."""

import asyncio
from functools import partial
from typing import NamedTuple

import asyncpg
import structlog

from hub import eligible, views, wire
from hub.chatting import messages, told
from hub.delivery import Follow
from hub.edge.connection import Connection
from hub.events.media import credentials
from hub.hub import Hub
from hub.safety.blocks import blocked
from hub.safety.checking import begin_window
from hub.views import meter_view
from rooms import session
from rooms.errors import NotFound, NotLive
from rooms.ids import SessionId
from rooms.room import Participant, Room
from store.redis.rooms import Loaded

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
    await _require_eligible(hub, connection, session_id)
    await _require_no_block(hub, connection, followed)
    if (me := followed.people.get(connection.user_id)) is not None:
        # Before the entry: whatever is said from then on is heard.
        await begin_window(hub, followed, me)
    decide = partial(session.join, who=connection.user_id, connection=connection.id, hub=hub.here())
    loaded = await hub.live.change(session_id, decide)
    await _load_keys(hub, loaded.room)
    while True:
        said = await _said(hub, loaded, body.after_seq)
        if followed.version <= loaded.room.version:
            break
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


async def _require_eligible(hub: Hub, connection: Connection, session_id: SessionId) -> None:
    """At the first entry. Who was inside comes back whether the record can be asked just now or not."""
    room = (await hub.live.rooms.require(session_id)).room
    me = room.participant(connection.user_id)
    # A visit of a moment leaves no span, but a session of two was only ever live with both of them.
    both = room.kind != "live_room" and room.live_at_ms is not None
    if me is not None and not both and not me.spans and not me.anchors:
        await eligible.to_take_part(hub, connection.user_id)


async def _require_no_block(hub: Hub, connection: Connection, followed: Follow) -> None:
    """Two people of whom one blocked the other don't meet again. Raises Refused(blocked)."""
    if connection.user_id not in followed.people:
        return
    try:
        async with asyncio.timeout(BLOCKS_WITHIN_S):
            hidden = await hub.blocks.of(connection.user_id)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
        # The room goes on without the record: a block ends what two people have open when it is made.
        log.warning("blocks.unknown", error=type(error).__name__)
        return
    if not hidden.isdisjoint(followed.people):
        raise blocked()


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
    guest = me if me.role == "guest" else room.guests[0]
    said_now = [*said.messages, *(_since(followed, said) if said.to_head else [])]
    return wire.Joined(
        session=views.session(room),
        participants=views.participants(room),
        messages=said_now,
        # What was read may be ahead of what this hub was told.
        head_seq=max(followed.seq, loaded.seq, *(message.seq for message in said_now[-1:])),
        meter=meter_view(room, guest, max(loaded.now_ms, room.clock_ms)),
        media=credentials(hub, room, me, loaded.now_ms),
        you=wire.You(me.user_id, me.role, me.muted),
    )


def _since(followed: Follow, said: Said) -> list[wire.Message]:
    """What was told while the history was read: it went past this socket."""
    head = said.messages[-1].seq if said.messages else said.after_seq
    return [told(delivered, fragment) for delivered, fragment in followed.tail if delivered.seq > head]


async def _said(hub: Hub, loaded: Loaded, after_seq: int | None) -> Said:
    room, sizes = loaded.room, hub.sizes
    if after_seq is None:
        stored = await hub.chat.last(room.id, sizes.join_messages)
        return Said(await messages(hub.keyring, room, stored), 0, to_head=True)
    stored = await hub.chat.read(room.id, after_seq, sizes.catch_up_messages)
    whole = len(stored) < sizes.catch_up_messages
    return Said(await messages(hub.keyring, room, stored), after_seq, to_head=whole)


async def _load_keys(hub: Hub, room: Room) -> None:
    for person in room.people:
        await hub.keyring.load(person.user_id)


def _part(room: Room, connection: Connection) -> Participant:
    person = room.participant(connection.user_id)
    if person is None:
        raise NotFound
    return person
