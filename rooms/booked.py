"""The life of a booked session until it is live, as pure functions: the rest it shares with all sessions.

requested ──(the money is held, the lobby opens)──> waiting ──(both are in, the start has come)──> live
    │                                                  │
    └── not held in time, cancelled ──> cancelled <────┘ cancelled, or missed by one or both
"""

from typing import Final, Literal

from msgspec.structs import replace

from rooms import departure
from rooms.departure import Proofs
from rooms.errors import IllegalTransition, NotFound
from rooms.ids import SessionId, UserId
from rooms.news import Change, StateChanged
from rooms.presence import total_ms, within
from rooms.room import OVER, Booked, Hold, Limits, Participant, Room, State, Terms

CalledOff = Literal["booking_called_off", "not_opened"]

MISSED: Final = frozenset({"guest_no_show", "practitioner_no_show", "nobody_came"})
"""Ends of a booking to which somebody did not come."""


def request(
    session_id: SessionId,
    *,
    practitioner: tuple[UserId, str],
    guest: tuple[UserId, str],
    terms: Terms,
    limits: Limits,
    booked: Booked,
    until_ms: int,
    now_ms: int,
) -> Change:
    """The room of a booking, made when its money is to be held. People are `(id, name)`."""
    asker = Participant(1, guest[0], guest[1], "guest", hold=None if is_free(terms) else Hold("pending"))
    room = Room(
        id=session_id,
        kind="booked",
        state=State.REQUESTED,
        practitioner=Participant(0, practitioner[0], practitioner[1], "practitioner"),
        guests=(asker,),
        seats=1,
        terms=terms,
        limits=limits,
        requested_at_ms=now_ms,
        clock_ms=now_ms,
        booked=booked,
        until_ms=until_ms,
    )
    return Change(room, (StateChanged(),))


def is_free(terms: Terms) -> bool:
    """Whether nothing is ever charged by these terms, so that nothing has to be held."""
    return terms.kind == "free"


def is_funded(room: Room) -> bool:
    """Whether all money that has to be held before the session is held."""
    return all(guest.hold is None or guest.hold.status == "placed" for guest in room.guests)


def hold_again(room: Room, guest_id: UserId, *, now_ms: int) -> Change:
    """The guest saved another card after the first said no: it is asked."""
    guest = room.participant(guest_id)
    if guest is None or guest.hold is None:
        raise NotFound
    if room.state is not State.REQUESTED or guest.hold.status != "declined":
        return Change(room)
    asking = room.with_participant(replace(guest, hold=Hold("pending")))
    return Change(replace(asking, clock_ms=max(now_ms, room.clock_ms)), (StateChanged(),))


def no_card(room: Room, guest_id: UserId, *, now_ms: int) -> Change:
    """There is no card to hold the money on: as if one had said no."""
    guest = room.participant(guest_id)
    if guest is None or guest.hold is None:
        raise NotFound
    if room.state is not State.REQUESTED or guest.hold.status != "pending":
        return Change(room)
    refused = room.with_participant(replace(guest, hold=Hold("declined")))
    return Change(replace(refused, clock_ms=max(now_ms, room.clock_ms)), (StateChanged(),))


def open_lobby(room: Room, *, now_ms: int) -> Change:
    """Both may enter from now on. Changes nothing before its time, or while the money is not held."""
    if room.booked is None or room.state is not State.REQUESTED or not is_funded(room):
        return Change(room)
    now_ms = max(now_ms, room.clock_ms)
    if now_ms < room.booked.opens_at_ms:
        return Change(room)
    opened = replace(room, state=State.WAITING, offered_at_ms=now_ms, accepted_at_ms=now_ms, clock_ms=now_ms)
    return Change(opened, (StateChanged(),))


def cancel(room: Room, who: UserId, *, proofs: Proofs | None = None, now_ms: int) -> Change:
    """Either side cancels before the session is live. Raises NotFound, IllegalTransition."""
    person = room.participant(who)
    if person is None or room.booked is None:
        raise NotFound
    if room.state in OVER:
        return Change(room)
    if room.state not in (State.REQUESTED, State.WAITING):
        raise IllegalTransition(f"A session that is {room.state} cannot be cancelled; end it.")
    now_ms = max(now_ms, room.clock_ms)
    reason = cancel_reason(person, room, room.booked, now_ms)
    return departure.close(room, State.CANCELLED, reason, proofs=proofs, now_ms=now_ms)


def cancel_reason(person: Participant, room: Room, booked: Booked, now_ms: int) -> str:
    """Which of the reasons in the table of who pays a cancellation at this time has."""
    if person.role == "practitioner":
        return "booking_cancelled_by_practitioner"
    if now_ms < booked.free_until_ms:
        return "booking_cancelled_early"
    # Nobody pays for leaving a room in which the other one should have been for some time.
    kept_waiting = now_ms >= booked.starts_at_ms and not room.practitioner.present
    return "practitioner_no_show" if kept_waiting else "booking_cancelled_late"


def lengthen(room: Room, until_ms: int, *, now_ms: int) -> Change:
    """The calendars leave room for more: the session may last until then. It never gets shorter by this."""
    if room.booked is None or room.state in OVER or room.until_ms is None or room.until_ms >= until_ms:
        return Change(room)
    longer = replace(room, until_ms=until_ms, clock_ms=max(now_ms, room.clock_ms))
    return Change(longer, (StateChanged(),))


def call_off(room: Room, because: CalledOff, *, proofs: Proofs, now_ms: int) -> Change:
    """Neither of the two cancels, and it does not take place: nobody pays."""
    if room.state not in (State.REQUESTED, State.WAITING):
        return Change(room)
    return departure.close(room, State.CANCELLED, because, proofs=proofs, now_ms=now_ms)


def request_due_ms(room: Room, booked: Booked) -> int:
    """When a booking whose lobby is not open is over: its money is not held, or nobody opened it."""
    return booked.missed_at_ms if is_funded(room) else booked.held_by_ms


def expire(room: Room, *, now_ms: int) -> Change:
    """The lobby never opened."""
    reason = "not_opened" if is_funded(room) else "booking_not_held"
    return departure.close(room, State.CANCELLED, reason, now_ms=now_ms)


def waiting_due_ms(room: Room, booked: Booked) -> int:
    """When something happens in the lobby: the start if both are there, else the end of waiting."""
    return booked.starts_at_ms if room.together else booked.missed_at_ms


def miss(room: Room, booked: Booked, *, proofs: Proofs | None, now_ms: int) -> Change:
    """The time to wait is over, and the two have not met. Who did not come follows from proven presence."""
    frozen = departure.close(room, State.CANCELLED, "nobody_came", proofs=proofs, now_ms=now_ms).room
    reason = missed_by(frozen, booked)
    return departure.close(room, State.CANCELLED, reason, proofs=proofs, now_ms=now_ms)


def missed_by(frozen: Room, booked: Booked) -> str:
    """Who did not come. Only a practitioner who waited nearly all the time for somebody who was never there
    has been let down by the guest; where it is not as clear as that, the guest pays nothing.
    """
    host_ms = _waited_ms(frozen, frozen.practitioner, booked)
    guest_ms = max((_waited_ms(frozen, guest, booked) for guest in frozen.guests), default=0)
    whole_ms = booked.missed_at_ms - booked.starts_at_ms
    if guest_ms == 0 and host_ms >= whole_ms - min(frozen.limits.grace_ms, whole_ms // 2):
        return "guest_no_show"
    return "practitioner_no_show" if guest_ms > 0 and host_ms == 0 else "nobody_came"


def _waited_ms(room: Room, person: Participant, booked: Booked) -> int:
    until_ms = room.ended_at_ms or room.clock_ms
    return total_ms(within(person.presence(until_ms), booked.starts_at_ms, booked.missed_at_ms))
