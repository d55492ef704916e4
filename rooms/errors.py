"""Why the rules refuse. Each class carries its code of the public contract; its docstring is the message."""

from typing import ClassVar


class RoomError(Exception):
    """The rules refuse this."""

    code: ClassVar[str] = "conflict"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__ or "")


class NotFound(RoomError):
    """There is no such thing, or it is not yours."""

    code = "not_found"


class IllegalTransition(RoomError):
    """The session is not in a state that allows this."""

    code = "conflict"


class AlreadyInSession(RoomError):
    """You have an open session already; end or cancel it first."""

    code = "conflict"


class Busy(RoomError):
    """The practitioner is with somebody else just now."""

    code = "busy"


class Booked(RoomError):
    """You have a booked session soon."""

    code = "conflict"


class Offline(RoomError):
    """The practitioner is not online."""

    code = "offline"


class NotLive(RoomError):
    """The session is over, or its room is not open yet."""

    code = "not_live"


class NotAdmitted(RoomError):
    """The host has not let you in yet."""

    code = "forbidden"


class RoomFull(RoomError):
    """The room has no free seat."""

    code = "conflict"


class LobbyFull(RoomError):
    """As many people as there is room for are waiting already; try again in a while."""

    code = "conflict"


class NotInRoom(RoomError):
    """Join the room before speaking in it."""

    code = "forbidden"


class NotRecorded(RoomError):
    """Live rooms are not recorded: everybody in them would have to agree."""

    code = "conflict"


class Muted(RoomError):
    """You are muted in this room."""

    code = "muted"


class TooFast(RoomError):
    """Too many messages in a short time; wait a moment."""

    code = "rate_limited"

    def __init__(self, retry_after_ms: int) -> None:
        super().__init__()
        self.retry_after_ms = retry_after_ms


class ChangedTooOften(RoomError):
    """Others changed the room at the same moment, again and again; try once more."""

    code = "unavailable"


class InDoubt(RoomError):
    """The live store was away just now; try again in a moment."""

    code = "unavailable"


class Fenced(RoomError):
    """The hub was away for too long and starts anew; connect again."""

    code = "unavailable"
