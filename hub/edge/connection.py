"""One connection of one person, as the rest of the hub sees it.

Nothing here knows how a socket works: `Line` is all a connection needs of one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import msgspec

from hub.edge.auth import Principal
from hub.edge.language import Spoken
from hub.errors import Code, Refused
from hub.words import Language
from rooms.ids import ConnectionId, Role, UserId


@dataclass(frozen=True, slots=True)
class Frame:
    """A message ready for the wire: one whole, unmasked, uncompressed WebSocket text frame."""

    data: bytes


def text_frame(payload: bytes) -> Frame:
    """A WebSocket frame (RFC 6455, section 5.2) around UTF-8 text; a server's frames are never masked."""
    size = len(payload)
    if size < 126:
        return Frame(bytes((0x81, size)) + payload)
    if size < 65_536:
        return Frame(b"\x81\x7e" + size.to_bytes(2, "big") + payload)
    return Frame(b"\x81\x7f" + size.to_bytes(8, "big") + payload)


class Line(Protocol):
    """The socket under a connection."""

    heard_s: float

    def write(self, data: bytes) -> None:
        """Send bytes that are frames already. Never blocks, raises or calls back."""

    def end(self, reason: str) -> None:
        """Close for good, now; the second time does nothing."""


# From the least to the most: a refreshed token may only move a connection towards the front.
RANKS: dict[Role, int] = {"guest": 0, "practitioner": 1, "moderator": 2, "admin": 3}


class Connection:
    """A socket whose token was accepted, until it is gone.

    `id` (UUID v7) names it in presence records, `address` is the client's own, and `closed` turns true, once,
    before anybody is told that it is gone. `language` is the one it is spoken to in, `region` the country
    that its client's languages name, if any.
    """

    __slots__ = ("_line", "_refreshed", "address", "closed", "id", "language", "principal", "region")

    def __init__(
        self,
        id: ConnectionId,  # noqa: A002  It is what the field is called.
        principal: Principal,
        *,
        address: str,
        line: Line,
        refreshed: Callable[["Connection"], None],
        spoken: Spoken = Spoken("en", None),  # noqa: B008  A tuple; nobody can change it.
    ) -> None:
        self.id = id
        self.principal = principal
        self.address = address
        self.language: Language = spoken.language
        self.region = spoken.region
        self.closed = False
        self._line = line
        self._refreshed = refreshed

    @property
    def user_id(self) -> UserId:
        """Whose connection this is; it never changes."""
        return self.principal.user_id

    @property
    def heard_s(self) -> float:
        """Monotonic time, in seconds, of the last packet of any kind; a reset connection doesn't move it."""
        return self._line.heard_s

    def send(self, frame: Frame) -> None:
        """Send, in order. A reader who is too slow is disconnected instead of being skipped in silence."""
        self._line.write(frame.data)

    def drop(self, reason: str) -> None:
        """Close the connection for good. `reason` is a word for logs and for the WebSocket's close frame."""
        self._line.end(reason)

    def refresh(self, principal: Principal) -> None:
        """Go on under a newer token of the same person. Raises `Refused(forbidden)`; a role never widens."""
        if principal.user_id != self.principal.user_id:
            raise Refused(Code.FORBIDDEN, "This token belongs to somebody else.")
        if RANKS[principal.role] > RANKS[self.principal.role]:
            raise Refused(Code.FORBIDDEN, "A new role needs a new connection.")
        # A name changed elsewhere is no reason to refuse; the rest of the newer token counts from here on.
        self.principal = principal
        self._refreshed(self)


def event_frame(event: str, body: bytes) -> Frame:
    """`42["event",body]` as a frame; `body` is JSON text already."""
    return text_frame(b"42[" + msgspec.json.encode(event) + b"," + body + b"]")


def acknowledgement(ack_id: int, body: bytes) -> Frame:
    """`43<id>[body]` as a frame; `body` is JSON text already."""
    return text_frame(b"43%d[%b]" % (ack_id, body))
