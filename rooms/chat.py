"""Who may speak, and how much at once. The order of messages is made by the store as it takes them."""

from typing import Literal

from rooms.ids import UserId
from rooms.room import OPEN, Room

Voice = Literal["open", "muted"]

TEXT_MAX = 2_000
"""Characters in one message, in normal form C, which everything has by the time it is decoded."""


def voices(room: Room) -> dict[UserId, Voice]:
    """Everyone who is in the room and whether they may speak. Empty when the room is not open."""
    if room.state not in OPEN:
        return {}
    return {person.user_id: "muted" if person.muted else "open" for person in room.people if person.present}
