"""What a session's people see of its recording. That it is agreed to, begun and ended is decided elsewhere.

A recording goes one way, `starting` → `recording` → `stopped` or `failed`, and whoever comes late with an
older word of it changes nothing.
"""

from typing import Final

from msgspec.structs import replace

from rooms.errors import NotFound, NotLive, NotRecorded
from rooms.ids import UserId
from rooms.news import Change, RecordingChanged
from rooms.room import OVER, Recording, Room, State

_ORDER: Final = {"starting": 0, "recording": 1, "stopped": 2, "failed": 2}


def require_host(room: Room, who: UserId) -> None:
    """Only whose room it is decides about recordings. Raises NotFound for everybody else."""
    if room.practitioner.user_id != who:
        raise NotFound


def may_begin(room: Room, who: UserId) -> None:
    """Whether this person may have the session recorded now. Raises NotFound, NotRecorded or NotLive."""
    require_host(room, who)
    if room.kind == "live_room":
        raise NotRecorded
    if room.state is not State.LIVE:
        raise NotLive("Only a session that is live can be recorded.")


def show(room: Room, told: Recording, *, now_ms: int) -> Change:
    """Show how a recording stands. What the room knows better already, or does not need any more, is left."""
    if room.state in OVER or not _newer(room.recording, told):
        return Change(room)
    shown = replace(room, recording=told, clock_ms=max(now_ms, room.clock_ms))
    return Change(shown, (RecordingChanged(),))


def _newer(known: Recording | None, told: Recording) -> bool:
    if known is None or known.id < told.id:
        return True
    return known.id == told.id and _ORDER[known.state] < _ORDER[told.state]
