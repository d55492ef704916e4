"""The sockets that observe one room: a moderator's, for a bounded time, and never seen by the room."""

import asyncio
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from hub.edge.connection import Connection
from hub.edge.fanout import deliver, frame
from rooms.ids import ConnectionId, SessionId

OBSERVED: Final = frozenset({"chat:removed"})
"""What observers are told beside the messages themselves: chat, and nothing of presence, money or media."""

Why = Literal["time_over", "session_over"]
TIME_OVER: Final = "time_over"
SESSION_OVER: Final = "session_over"


class ObservationEnded(msgspec.Struct, frozen=True):
    """`moderation:observed`: nothing more is told of this session, for its time or the session is over."""

    session_id: str
    reason: Why


@dataclass(eq=False)
class Observer:
    """One socket that observes, and the timer that ends it."""

    session_id: SessionId
    connection: Connection
    over: asyncio.TimerHandle


class Observers:
    """Those of one room on this hub."""

    def __init__(self) -> None:
        self._by_id: dict[ConnectionId, Observer] = {}

    def __bool__(self) -> bool:
        return bool(self._by_id)

    def __contains__(self, connection_id: ConnectionId) -> bool:
        return connection_id in self._by_id

    def connections(self) -> list[Connection]:
        """Who is told. Whoever is no moderator any more hears nothing, whatever was agreed before."""
        if not self._by_id:
            return []
        return [
            observer.connection
            for observer in self._by_id.values()
            if observer.connection.principal.role == "moderator"
        ]

    def begin(self, observer: Observer) -> None:
        """Tell this socket too. A second time, the new time counts."""
        self.end(observer.connection.id)
        self._by_id[observer.connection.id] = observer

    def end(self, connection_id: ConnectionId, why: Why | None = None) -> bool:
        """Tell it no more, with a last word if there is one. False when it did not observe."""
        observer = self._by_id.pop(connection_id, None)
        if observer is None:
            return False
        observer.over.cancel()
        if why is not None:
            body = msgspec.json.encode(ObservationEnded(observer.session_id, why))
            deliver(frame("moderation:observed", body), [observer.connection])
        return True

    def end_all(self, why: Why | None = None) -> None:
        """Nobody observes any more."""
        for connection_id in list(self._by_id):
            self.end(connection_id, why)
