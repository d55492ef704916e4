"""How a practitioner stands towards guests, and what the directory shows of it."""

from typing import Literal

from msgspec import Struct

from rooms.ids import SessionId, UserId

Status = Literal["online", "busy", "offline"]


class Standing(Struct, frozen=True):
    """A practitioner at one moment. `n` grows with each change, so that later news is known from earlier.

    `session_id` is what holds them: for good if `confirmed`, else reserved by a request on its way.
    """

    user_id: UserId
    n: int
    sockets: int
    session_id: SessionId | None
    confirmed: bool


def status(standing: Standing) -> Status:
    """What guests see. Someone in a session is busy even while their line is down."""
    if standing.session_id is not None:
        return "busy"
    return "online" if standing.sockets > 0 else "offline"
