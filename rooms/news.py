"""What a change means to people: facts that the store publishes with it, in order.

A fact names its audience by kind only. Who receives it, and in which words of the contract, is the wire's
business.
"""

from typing import Literal

from msgspec import Struct

from rooms.ids import UserId
from rooms.room import Room


class StateChanged(Struct, frozen=True):
    """The session's state, or something its people see of it, changed. For all its people."""


class Offered(Struct, frozen=True):
    """The funded request now rings. For the practitioner."""


class PresenceChanged(Struct, frozen=True):
    """Someone entered the room or is gone from it. For those in the room."""

    user_id: UserId
    present: bool
    reason: str | None = None


class MeterChanged(Struct, frozen=True):
    """A guest's meter started, stopped or was funded further. For those in the room."""

    guest_no: int


class MeterWarned(Struct, frozen=True):
    """A guest's funded time nears its end. For those in the room."""

    guest_no: int
    remaining_ms: int


class Noticed(Struct, frozen=True):
    """Something that people should know, by its code. For those in the room."""

    code: Literal["extension_declined"]
    guest_no: int


class Muted(Struct, frozen=True):
    """Someone may not speak, until then or until it is taken back; or may again. For those in the room."""

    user_id: UserId
    muted: bool
    until_ms: int | None = None


News = StateChanged | Offered | PresenceChanged | MeterChanged | MeterWarned | Noticed | Muted


class Change(Struct, frozen=True):
    """A decision: the room as it shall be, and what to tell. Without news and with the same room: nothing."""

    room: Room
    news: tuple[News, ...] = ()
