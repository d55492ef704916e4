"""Who may speak, and what a text must be. The order of messages is made by the store in the same step."""

import unicodedata
from typing import Literal

from rooms.ids import UserId
from rooms.room import OPEN, Room

Voice = Literal["open", "muted"]

TEXT_MAX = 2_000
"""Characters in one message."""


def voices(room: Room) -> dict[UserId, Voice]:
    """Everyone who is in the room and whether they may speak. Empty when the room is not open."""
    if room.state not in OPEN:
        return {}
    return {person.user_id: "muted" if person.muted else "open" for person in room.people if person.present}


def clean(text: str) -> str:
    """The text in normal form C, so that equal texts are equal bytes for every reader."""
    return unicodedata.normalize("NFC", text)
