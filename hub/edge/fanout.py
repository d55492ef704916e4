"""One message to many connections: encoded once, framed once, written straight to each transport."""

from collections.abc import Iterable

from hub.edge.connection import Connection, Frame, event_frame


def frame(event: str, body: bytes) -> Frame:
    """An event for any number of connections. `body` is its one argument, as JSON text already encoded."""
    return event_frame(event, body)


def deliver(frame: Frame, connections: Iterable[Connection]) -> None:
    """Write `frame` to each connection. No connection can delay or fail another, nor change what is iterated.

    A connection that is closed is passed over; one whose reader is too slow is closed a moment later, in
    the loop's next turn.
    """
    for connection in connections:
        connection.send(frame)
