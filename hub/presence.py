"""Which sockets of this hub are in which rooms, when each was last heard, and how their going is recorded.

A socket that is gone leaves its rooms by a commit. Until that commit succeeds it is remembered and tried
again: an open anchor without a socket would be presence without proof.
"""

import time
from collections.abc import Callable
from functools import partial

import structlog
from redis.exceptions import RedisError

from hub.delivery import Follow
from hub.edge.connection import Connection
from hub.live import Live
from rooms import departure
from rooms.departure import Proofs
from rooms.errors import Fenced, InDoubt, NotFound, RoomError
from rooms.ids import ConnectionId, SessionId
from rooms.news import Change
from rooms.room import Room
from store.redis.clock import StoreClock

log = structlog.get_logger()

Departure = tuple[SessionId, ConnectionId]


class Presence:
    """The sockets of this hub that are in rooms."""

    def __init__(self, clock: StoreClock, *, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._monotonic_s = monotonic_s
        self._inside: dict[ConnectionId, tuple[Connection, set[SessionId]]] = {}
        self._leaving: dict[Departure, int] = {}
        self._said: dict[ConnectionId, int] = {}

    def enter(self, followed: Follow, connection: Connection) -> None:
        """The socket is in the room: it is told what is said there, and it is metered."""
        followed.joined[connection.id] = connection
        self._inside.setdefault(connection.id, (connection, set()))[1].add(followed.session_id)

    def wait(self, session_id: SessionId, connection: Connection) -> None:
        """The socket keeps a knock up: it is told nothing of the room, but that it goes is recorded."""
        self._inside.setdefault(connection.id, (connection, set()))[1].add(session_id)

    def leave(self, followed: Follow | None, session_id: SessionId, connection: Connection) -> None:
        """The socket has left the room on purpose."""
        if followed is not None:
            followed.joined.pop(connection.id, None)
        self._forget(session_id, connection.id)

    def gone(self, connection: Connection, follows: dict[SessionId, Follow]) -> None:
        """The socket is gone. Its rooms are left as of its last packet, by `record_departures`."""
        _, rooms = self._inside.pop(connection.id, (connection, set()))
        heard_ms = self._clock.at_ms(connection.heard_s)
        for session_id in rooms:
            self._leaving[session_id, connection.id] = heard_ms
            followed = follows.get(session_id)
            if followed is not None:
                followed.joined.pop(connection.id, None)

    def holds(self, session_id: SessionId, connection_id: ConnectionId) -> bool:
        """Whether the socket is in the room, or its going is still to be recorded."""
        inside = self._inside.get(connection_id)
        return (inside is not None and session_id in inside[1]) or (
            session_id,
            connection_id,
        ) in self._leaving

    def over(self, session_id: SessionId) -> Proofs:
        """The session is over: nobody is in its room any more. Gives when each socket was last heard."""
        inside = {
            id_: self._clock.at_ms(connection.heard_s)
            for id_, (connection, rooms) in self._inside.items()
            if session_id in rooms
        }
        for connection_id in inside:
            self._forget(session_id, connection_id)
        return inside

    def owe(self, session_id: SessionId, connection: Connection) -> None:
        """The socket went while its entry was being committed: take the entry back."""
        self._leaving[session_id, connection.id] = self._clock.at_ms(connection.heard_s)

    def heard_here(self, room: Room) -> Proofs:
        """When this hub's sockets in a room were last heard, in the store's time, at least."""
        return {
            anchor.connection: self._clock.at_ms(self._inside[anchor.connection][0].heard_s)
            for person in room.people
            for anchor in person.anchors
            if anchor.connection in self._inside
        }

    def news_to_beat(self) -> dict[ConnectionId, int | None]:
        """What the next heartbeat has to say: sockets heard since the last one, and those that left."""
        heard = {id_: self._clock.at_ms(c.heard_s) for id_, (c, rooms) in self._inside.items() if rooms}
        news: dict[ConnectionId, int | None] = {
            id_: at_ms for id_, at_ms in heard.items() if self._said.get(id_) != at_ms
        }
        news.update(dict.fromkeys(self._said.keys() - heard.keys()))
        self._said = heard
        return news

    def beat_failed(self) -> None:
        """The heartbeat did not arrive: everything has to be said again."""
        self._said = {}

    async def record_departures(self, live: Live) -> int:
        """Commit what is owed. What fails stays owed. Gives how many were recorded."""
        recorded = 0
        leaving: dict[SessionId, dict[ConnectionId, int]] = {}
        for (session_id, connection_id), heard_ms in self._leaving.items():
            leaving.setdefault(session_id, {})[connection_id] = heard_ms
        # All who leave one room go in one step: when a line with hundreds behind it breaks, they are many.
        for session_id, heard in leaving.items():
            try:
                await live.change(session_id, partial(_drop, heard=heard))
            except (RedisError, OSError, InDoubt) as error:
                log.warning("presence.departure_unrecorded", error=type(error).__name__)
                break
            except (NotFound, Fenced):
                pass
            except RoomError as error:
                log.warning("presence.departure_refused", code=error.code)
                continue
            for connection_id in heard:
                self._leaving.pop((session_id, connection_id), None)
            recorded += len(heard)
        return recorded

    @property
    def owed(self) -> int:
        """Departures that are not recorded yet."""
        return len(self._leaving)

    def forget_all(self) -> None:
        """The incarnation is fenced: others have closed its meters."""
        self._inside.clear()
        self._leaving.clear()
        self._said.clear()

    def _forget(self, session_id: SessionId, connection_id: ConnectionId) -> None:
        inside = self._inside.get(connection_id)
        if inside is None:
            return
        inside[1].discard(session_id)
        if not inside[1]:
            del self._inside[connection_id]


def _drop(room: Room, *, heard: Proofs, now_ms: int) -> Change:
    return departure.drop(room, heard, reason="line_dropped", now_ms=now_ms)
