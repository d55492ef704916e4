"""The meter: time that two people were provably present together, as a pure function of the room.

Nothing is counted up anywhere. Billed time is computed from presence each time it is asked for, so the
figure on the screen, on the receipt and in a rebuilt bill is one and the same.
"""

from rooms.presence import Spans, first, intersection, total_ms, within
from rooms.room import Participant, Room, State


def intervals(room: Room, guest: Participant, now_ms: int) -> Spans:
    """The spans this guest is billed for: both present, while live, and never past the funded time."""
    if room.live_at_ms is None:
        return ()
    until_ms = now_ms if room.ended_at_ms is None else room.ended_at_ms
    common = intersection(guest.presence(until_ms), room.practitioner.presence(until_ms))
    if guest.billed_until_ms is not None:
        until_ms = min(until_ms, guest.billed_until_ms)
    billed = within(common, room.live_at_ms, until_ms)
    return billed if guest.hold is None else first(billed, guest.hold.funded_ms)


def billed_ms(room: Room, guest: Participant, now_ms: int) -> int:
    """How much time the guest is billed for, free time included, in milliseconds."""
    return total_ms(intervals(room, guest, now_ms))


def running(room: Room, guest: Participant) -> bool:
    """Whether the guest's meter runs right now."""
    return room.state is State.LIVE and guest.present and room.practitioner.present


def funded_at_ms(room: Room, guest: Participant, now_ms: int) -> int | None:
    """When the funded time will be used up if both stay, or None while the meter stands or is unfunded."""
    if guest.hold is None or not running(room, guest):
        return None
    return now_ms + guest.hold.funded_ms - billed_ms(room, guest, now_ms)
