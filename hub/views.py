"""Rooms, put into the words of the contract."""

from typing import Literal

from msgspec import UNSET

from billing import price
from hub.wire import HoldView, Meter, Named, ParticipantView, Price, RecordingView, Session
from rooms import meter
from rooms.room import OVER, Participant, Room, Terms


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
            amount_minor(terms),
            terms.currency,
            terms.free_ms // 1000,
            terms.minimum_minor,
            terms.cap_minor,
        ),
        requested_at_ms=room.requested_at_ms,
        live_at_ms=room.live_at_ms,
        ended_at_ms=room.ended_at_ms,
        end_reason=room.end_reason,
        until_ms=room.until_ms,
        recording=recording(room),
    )


def recording(room: Room) -> RecordingView | None:
    """How the latest recording stands; None where there was none, or the session is over."""
    told = room.recording
    if told is None or room.state in OVER:
        return None
    return RecordingView(told.state, told.by, told.at_ms)


def amount_minor(terms: Terms) -> int:
    """The price as it is said: of a minute, or of the whole."""
    return terms.cap_minor if terms.kind == "flat" else terms.rate_minor_per_minute


def lobby_state(guest: Participant) -> Literal["waiting", "admitted", "denied"]:
    """Where a guest of a live room stands, in the word of the contract."""
    return "denied" if guest.lobby == "refused" else guest.lobby


def hold(guest: Participant) -> HoldView:
    """Where a guest's hold stands."""
    if guest.hold is None:
        return HoldView("none")
    return HoldView(guest.hold.status, UNSET if guest.hold.url is None else guest.hold.url)


PARTICIPANTS_SHOWN = 500
"""So many are named at once, those who are there first."""


def participants(room: Room, seen_by: Participant, *, all_of_them: bool) -> list[ParticipantView]:
    """Everyone who takes part; of a live room those who were let in, or without `all_of_them` the host and
    oneself.
    """
    shown = [
        person
        for person in room.people
        if person.lobby == "admitted" and (all_of_them or person.no in (0, seen_by.no))
    ]
    if len(shown) > PARTICIPANTS_SHOWN:
        shown = sorted(shown, key=lambda person: not person.present)[:PARTICIPANTS_SHOWN]
    return [
        ParticipantView(person.user_id, person.name, person.role, person.present, person.muted)
        for person in shown
    ]


def meter_view(room: Room, guest: Participant, now_ms: int) -> Meter:
    """A guest's meter at a moment of the store's time."""
    room = room.of(guest)
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
