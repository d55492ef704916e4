"""Rooms, put into the words of the contract."""

from msgspec import UNSET

from billing import price
from hub.wire import HoldView, Meter, Named, ParticipantView, Price, Session
from rooms import meter
from rooms.room import Participant, Room


def named(person: Participant) -> Named:
    """A participant as others see them."""
    return Named(person.user_id, person.name)


def session(room: Room) -> Session:
    """The room in the words of the contract."""
    terms = room.terms
    return Session(
        id=room.id,
        kind=room.kind,
        state=room.state,
        version=room.version,
        practitioner=named(room.practitioner),
        guest=named(room.guests[0]) if room.kind != "live_room" and room.guests else None,
        seats=room.seats,
        price=Price(
            terms.kind,
            terms.rate_minor_per_minute,
            terms.currency,
            terms.free_ms // 1000,
            terms.minimum_minor,
            terms.cap_minor,
        ),
        requested_at_ms=room.requested_at_ms,
        live_at_ms=room.live_at_ms,
        ended_at_ms=room.ended_at_ms,
        end_reason=room.end_reason,
    )


def hold(guest: Participant) -> HoldView:
    """Where a guest's hold stands."""
    if guest.hold is None:
        return HoldView("none")
    return HoldView(guest.hold.status, UNSET if guest.hold.url is None else guest.hold.url)


def participants(room: Room) -> list[ParticipantView]:
    """Everyone who takes part."""
    return [
        ParticipantView(person.user_id, person.name, person.role, person.present, person.muted)
        for person in room.people
    ]


def meter_view(room: Room, guest: Participant, now_ms: int) -> Meter:
    """A guest's meter at a moment of the store's time."""
    billed_ms = meter.billed_ms(room, guest, now_ms)
    return Meter(
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
