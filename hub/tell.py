"""Facts become events of the contract: the one place that says who is told what."""

from collections.abc import Sequence
from typing import assert_never

from msgspec import UNSET

from hub import outbound, views, wire
from rooms.ids import UserId
from rooms.news import (
    MeterChanged,
    MeterWarned,
    Muted,
    News,
    Noticed,
    Offered,
    PresenceChanged,
    StateChanged,
)
from rooms.room import Room, State
from store.redis.rooms import Outgoing

PEOPLE = "people"
"""All sockets of everyone who takes part, in the room or not."""
ROOM = "room"
"""The sockets that are in the room."""
OBSERVERS = "observers"
"""The sockets of moderators who observe the room, and nobody else's."""

NOTICES = {
    "extension_declined": "The card was declined, so no further time is paid for. "
    "The session ends when the time paid so far is used up.",
}
"""What is said to people about each code."""


USER = "user:"
INSIDE = "room:"


def user(user_id: UserId) -> str:
    """All sockets of one person."""
    return USER + user_id


def inside(user_id: UserId) -> str:
    """One person's sockets that are in the room."""
    return INSIDE + user_id


def tell(room: Room, news: Sequence[News], now_ms: int) -> list[Outgoing]:
    """The events that follow from a change, in order."""
    return [outgoing for fact in news for outgoing in _events(room, fact, max(now_ms, room.clock_ms))]


def _events(room: Room, fact: News, now_ms: int) -> list[Outgoing]:
    match fact:
        case StateChanged():
            return _state(room)
        case Offered():
            return [_offer(room)]
        case PresenceChanged(user_id, present, reason):
            body = outbound.RoomPresence(room.id, user_id, present, UNSET if reason is None else reason)
            return [Outgoing(ROOM, "room:presence", wire.encode(body))]
        case MeterChanged(guest_no):
            return [
                Outgoing(ROOM, "meter:update", wire.encode(views.meter_view(room, guest, now_ms)))
                for guest in room.guests
                if guest.no == guest_no
            ]
        case MeterWarned(_, remaining_ms):
            return [
                Outgoing(ROOM, "meter:warning", wire.encode(outbound.MeterWarning(room.id, remaining_ms)))
            ]
        case Muted(user_id, muted, until_ms):
            told = outbound.RoomMuted(room.id, user_id, muted, UNSET if until_ms is None else until_ms)
            return [Outgoing(ROOM, "room:muted", wire.encode(told))]
        case Noticed(code, _):
            notice = outbound.Notice(code, NOTICES[code], room.id)
            return [Outgoing(ROOM, "notice", wire.encode(notice))]
    assert_never(fact)


def _state(room: Room) -> list[Outgoing]:
    session = views.session(room)
    if room.offered_at_ms is not None and room.state is not State.REQUESTED:
        return [Outgoing(PEOPLE, "session:state", wire.encode(outbound.SessionState(session)))]
    # Until it rings, a request is the guest's alone, and so is the address where they confirm their hold.
    told = [
        Outgoing(
            user(guest.user_id),
            "session:state",
            wire.encode(outbound.SessionState(session, views.hold(guest))),
        )
        for guest in room.guests
    ]
    if room.offered_at_ms is not None:
        host = user(room.practitioner.user_id)
        told.append(Outgoing(host, "session:state", wire.encode(outbound.SessionState(session))))
    return told


def offer(room: Room) -> outbound.SessionOffered:
    """The ringing request as the practitioner is offered it."""
    expires_at_ms = (room.offered_at_ms or room.clock_ms) + room.limits.ring_ms
    return outbound.SessionOffered(views.session(room), views.named(room.guests[0]), expires_at_ms)


def _offer(room: Room) -> Outgoing:
    return Outgoing(user(room.practitioner.user_id), "session:offered", wire.encode(offer(room)))
