"""The times around a booking: until when it is free to cancel, when money is held, when the lobby opens."""

from typing import Final

from msgspec import Struct

from rooms.room import Booked

THINK_MS: Final = 300_000
"""Whoever has just booked can think again for so long, free of charge, unless the session begins before that.
So long a bank may be asked, too, where the start is over already."""


class Times(Struct, frozen=True):
    """How long before its start a booking's money is held and its lobby opens; how long people wait then.

    `quiet_ms`: no instant session is begun when a lobby opens within this.
    """

    hold_ms: int = 3_600_000
    lobby_ms: int = 600_000
    no_show_ms: int = 600_000
    quiet_ms: int = 900_000


def free_until_ms(times: Times, starts_at_ms: int, *, made_at_ms: int) -> int:
    """Until when cancelling is free: until money is held, or for a moment after booking."""
    return max(starts_at_ms - times.hold_ms, min(made_at_ms + THINK_MS, starts_at_ms))


def room_at_ms(times: Times, starts_at_ms: int, *, free: bool) -> int:
    """When the booking's room is made: as its money is to be held, or its lobby to be opened."""
    return starts_at_ms - (times.lobby_ms if free else times.hold_ms)


def opens_at_ms(times: Times, starts_at_ms: int) -> int:
    """When the lobby opens, and both people's time belongs to the booking."""
    return starts_at_ms - times.lobby_ms


def is_lost(times: Times, starts_at_ms: int, now_ms: int) -> bool:
    """Whether it is too late to make the booking's room: nobody was there to do it."""
    return now_ms >= starts_at_ms + times.no_show_ms


def booked(times: Times, *, starts_at_ms: int, ends_at_ms: int, free_until_ms: int, now_ms: int) -> Booked:
    """The times of a room that is made now. Nobody waits longer than what is booked lasts."""
    missed_at_ms = min(starts_at_ms + times.no_show_ms, ends_at_ms)
    return Booked(
        free_until_ms=free_until_ms,
        held_by_ms=min(max(starts_at_ms, now_ms + THINK_MS), missed_at_ms),
        opens_at_ms=opens_at_ms(times, starts_at_ms),
        starts_at_ms=starts_at_ms,
        missed_at_ms=missed_at_ms,
    )
