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


class PartChanged(Struct, frozen=True):
    """Somebody is in the lobby, in the room or out of it, or is called otherwise. For hubs, not people."""

    no: int


class LobbyTold(Struct, frozen=True):
    """Where a guest of a live room stands now. For that guest."""

    guest_no: int


class LobbyChanged(Struct, frozen=True):
    """Who waits in the lobby changed. For the host."""


class RecordingChanged(Struct, frozen=True):
    """Something is recorded from now on, or not any more. For those in the room."""


News = (
    StateChanged
    | Offered
    | PresenceChanged
    | MeterChanged
    | MeterWarned
    | Noticed
    | Muted
    | PartChanged
    | LobbyTold
    | LobbyChanged
    | RecordingChanged
)


class Change(Struct, frozen=True):
    """A decision: the room as it shall be, and what to tell. Without news and with the same room: nothing."""

    room: Room
    news: tuple[News, ...] = ()
