"""Facts become events of the contract: the one place that says who is told what."""

from collections.abc import Sequence
from typing import assert_never

from msgspec import UNSET

from billing import price
from hub import wire
from rooms import meter
from rooms.ids import UserId
from rooms.news import MeterChanged, MeterWarned, News, Offered, PresenceChanged, StateChanged
from rooms.room import Participant, Room, State
from store.redis.rooms import Outgoing

PEOPLE = "people"
"""All sockets of everyone who takes part, in the room or not."""
ROOM = "room"
"""The sockets that are in the room."""


def user(user_id: UserId) -> str:
    """All sockets of one person."""
    return f"user:{user_id}"


def tell(room: Room, news: Sequence[News], now_ms: int) -> list[Outgoing]:
    """The events that follow from a change, in order."""
    return [outgoing for fact in news for outgoing in _events(room, fact, max(now_ms, room.clock_ms))]


def meter_view(room: Room, guest: Participant, now_ms: int) -> wire.Meter:
    """A guest's meter at a moment of the store's time."""
    billed_ms = meter.billed_ms(room, guest, now_ms)
    return wire.Meter(
        session_id=room.id,
        guest_id=guest.user_id,
        running=meter.running(room, guest),
        billed_ms=billed_ms,
        amount_minor=price.amount_minor(room.terms, billed_ms),
        currency=room.terms.currency,
        rate_minor_per_minute=room.terms.rate_minor_per_minute,
        funded_ms=guest.hold.funded_ms if guest.hold is not None else 0,
        as_of_ms=now_ms,
    )


def _events(room: Room, fact: News, now_ms: int) -> list[Outgoing]:
    match fact:
        case StateChanged():
            return _state(room)
        case Offered():
            return [_offer(room)]
        case PresenceChanged(user_id, present, reason):
            body = wire.RoomPresence(room.id, user_id, present, UNSET if reason is None else reason)
            return [Outgoing(ROOM, "room:presence", wire.encode(body))]
        case MeterChanged(guest_no):
            return [
                Outgoing(ROOM, "meter:update", wire.encode(meter_view(room, guest, now_ms)))
                for guest in room.guests
                if guest.no == guest_no
            ]
        case MeterWarned(_, remaining_ms):
            return [Outgoing(ROOM, "meter:warning", wire.encode(wire.MeterWarning(room.id, remaining_ms)))]
    assert_never(fact)


def _state(room: Room) -> list[Outgoing]:
    session = wire.session(room)
    if room.offered_at_ms is not None and room.state is not State.REQUESTED:
        return [Outgoing(PEOPLE, "session:state", wire.encode(wire.SessionState(session)))]
    # Until it rings, a request is the guest's alone, and so is the address where they confirm their hold.
    told = [
        Outgoing(
            user(guest.user_id), "session:state", wire.encode(wire.SessionState(session, wire.hold(guest)))
        )
        for guest in room.guests
    ]
    if room.offered_at_ms is not None:
        host = user(room.practitioner.user_id)
        told.append(Outgoing(host, "session:state", wire.encode(wire.SessionState(session))))
    return told


def offer(room: Room) -> wire.SessionOffered:
    """The ringing request as the practitioner is offered it."""
    expires_at_ms = (room.offered_at_ms or room.clock_ms) + room.limits.ring_ms
    return wire.SessionOffered(wire.session(room), wire.named(room.guests[0]), expires_at_ms)


def _offer(room: Room) -> Outgoing:
    return Outgoing(user(room.practitioner.user_id), "session:offered", wire.encode(offer(room)))
