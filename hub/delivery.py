"""What a hub keeps of a room that it follows, and how what is heard of the room reaches its sockets."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgpack
import msgspec
from msgspec.structs import replace

from hub.edge.connection import Connection, Frame
from hub.edge.fanout import deliver, frame
from hub.moderation.observed import OBSERVED, Observers
from hub.tell import HUBS, INSIDE, OBSERVERS, PEOPLE, ROOM, USER, Part
from rooms.departure import Proofs
from rooms.ids import ConnectionId, SessionId, UserId
from rooms.room import Participant, Room, State
from store.redis.chat import Delivered
from store.redis.rooms import Outgoing

TAIL = 512
"""Messages a hub keeps in memory, to put back should the store lose its last moments."""


@dataclass(eq=False)
class Follow:
    """One room, as this hub follows it."""

    session_id: SessionId
    begun: Room | None = None
    """The room as it was when this hub began to hear it: what was told before went past its people."""
    people: dict[UserId, Participant] = field(default_factory=dict)
    joined: dict[ConnectionId, Connection] = field(default_factory=dict)
    observers: Observers = field(default_factory=Observers)
    """Moderators who read along: told what is said, and never shown to the room."""
    state: State = State.REQUESTED
    rev: int = 0
    seq: int = 0
    version: int = 0
    tail: deque[tuple[Delivered, bytes]] = field(default_factory=lambda: deque(maxlen=TAIL))
    ready: asyncio.Future[None] | None = None
    early: list[list[Any]] | None = field(default_factory=list)
    """What was heard before the room was read, or while a gap is being healed; None while in step."""
    healing: bool = False
    heal_again: bool = False
    due: asyncio.TimerHandle | None = None
    heard_at_end: Proofs = field(default_factory=dict)
    """When this hub's sockets were last heard as the session ended, should the store forget the end."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)


def chat_frame(session_id: SessionId, seq: int, at_ms: int, fragment: bytes) -> Frame:
    """`chat:message`: the fragment with the place that the store gave it."""
    return frame(
        "chat:message",
        b'{"session_id":"%s","seq":%d,"at_ms":%d,%s}' % (session_id.encode(), seq, at_ms, fragment),
    )


def lost_frame(session_id: SessionId, seq: int) -> Frame:
    """A message that had a place and is gone."""
    return frame("chat:message", b'{"session_id":"%s","seq":%d,"lost":true}' % (session_id.encode(), seq))


class Delivery:
    """From a fact of a room to the sockets it is for. `sockets_of` gives a person's sockets on this hub."""

    def __init__(self, sockets_of: Callable[[UserId], Collection[Connection]]) -> None:
        self._sockets_of = sockets_of

    def chat(self, followed: Follow, delivered: Delivered, fragment: bytes) -> None:
        """A message, to everyone in the room. It is remembered for a while."""
        followed.tail.append((delivered, fragment))
        sent = chat_frame(followed.session_id, delivered.seq, delivered.at_ms, fragment)
        deliver(sent, followed.joined.values())
        deliver(sent, followed.observers.connections())

    def lost(self, followed: Follow, seq: int) -> None:
        """A message that had a place and is gone, to everyone in the room."""
        sent = lost_frame(followed.session_id, seq)
        deliver(sent, followed.joined.values())
        deliver(sent, followed.observers.connections())

    def event(self, followed: Follow, event: Outgoing) -> None:
        """A fact, to whom it concerns."""
        if event.audience == HUBS:
            take_part(followed, event.body)
            return
        sent = frame(event.name, event.body)
        deliver(sent, self._audience(followed, event.audience))
        if event.audience == ROOM and event.name in OBSERVED:
            deliver(sent, followed.observers.connections())

    def moment(self, followed: Follow, message: list[Any]) -> None:
        """Something that is true for a moment only, as `moment` packed it."""
        _, audience, name, body, but = message
        sent = frame(name.decode(), body)
        told = self._audience(followed, audience.decode())
        deliver(sent, [c for c in told if but is None or c.user_id != but.decode()])
        if audience.decode() == ROOM and name.decode() in OBSERVED:
            deliver(sent, followed.observers.connections())

    def _audience(self, followed: Follow, audience: str) -> Iterable[Connection]:
        if audience == ROOM:
            return list(followed.joined.values())
        if audience == OBSERVERS:
            return followed.observers.connections()
        if audience == PEOPLE:
            return [connection for person in followed.people for connection in self._sockets_of(person)]
        kind, user_id = audience[: len(USER)], UserId(audience[len(USER) :])
        if kind == INSIDE:
            return [connection for connection in followed.joined.values() if connection.user_id == user_id]
        return list(self._sockets_of(user_id))


def moment(audience: str, name: str, body: msgspec.Struct, *, but: UserId | None = None) -> bytes:
    """Something that is true for a moment only, as the bus carries it. `but` is not told."""
    return bytes(msgpack.packb(["t", audience, name, msgspec.json.encode(body), but]))


def take_part(followed: Follow, body: bytes) -> None:
    """Somebody is in the lobby, in the room or out of it: who is not in hears nothing more of it."""
    part = msgspec.json.decode(body, type=Part)
    if part.lobby == "refused":
        followed.people.pop(part.user_id, None)
    else:
        followed.people[part.user_id] = Participant(
            part.no, part.user_id, part.name, part.role, lobby=part.lobby
        )
    if part.lobby != "admitted":
        put_out(followed, part.user_id)


def put_out(followed: Follow, user_id: UserId) -> None:
    """No line of theirs is told what is said in the room any more."""
    for connection in [one for one in followed.joined.values() if one.user_id == user_id]:
        del followed.joined[connection.id]


class _Named(msgspec.Struct):
    id: UserId
    name: str


class _Session(msgspec.Struct):
    practitioner: _Named
    guest: _Named | None = None


class _State(msgspec.Struct):
    session: _Session


def call_by_name(followed: Follow, body: bytes) -> None:
    """What people say carries their names, so a corrected one is taken over from the news of it."""
    session = msgspec.json.decode(body, type=_State).session
    for named in filter(None, (session.practitioner, session.guest)):
        person = followed.people.get(named.id)
        if person is not None and person.name != named.name:
            followed.people[named.id] = replace(person, name=named.name)
