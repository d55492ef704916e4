"""The life of a session as pure functions: `(room, …, now_ms) -> Change`, or a refusal.

    requested ──┬─> waiting ──> live <──> paused
                │      │          └───┬─────┘
     declined / expired / cancelled   └─> ended ──> settled

Each function is repeatable: asked again for what already is so, it changes nothing and refuses nothing.
"""

from typing import Literal

from msgspec.structs import replace

from rooms import booked, departure, extension, lobby, meter
from rooms.departure import Proofs
from rooms.errors import IllegalTransition, NotAdmitted, NotFound, NotLive
from rooms.ids import ConnectionId, HubId, SessionId, UserId
from rooms.news import (
    Change,
    LobbyChanged,
    LobbyTold,
    MeterChanged,
    News,
    Offered,
    PartChanged,
    PresenceChanged,
    StateChanged,
)
from rooms.room import OPEN, OVER, Anchor, Hold, Limits, Participant, Room, State, Terms

Because = Literal[
    "practitioner_fault", "practitioner_conduct", "guest_conduct", "minor", "ended_by_moderator"
]
"""Why somebody who is not part of a session ends it."""


def request(
    session_id: SessionId,
    *,
    practitioner: tuple[UserId, str],
    guest: tuple[UserId, str],
    terms: Terms,
    limits: Limits,
    until_ms: int | None = None,
    now_ms: int,
) -> Change:
    """A guest asks for an instant session. People are `(id, name)`. It is over by `until_ms`, if given.

    It rings once a hold is placed; a session without a price rings at once.
    """
    host = Participant(0, practitioner[0], practitioner[1], "practitioner")
    unpaid = terms.kind == "free"
    asker = Participant(1, guest[0], guest[1], "guest", hold=None if unpaid else Hold("pending"))
    room = Room(
        id=session_id,
        kind="instant",
        state=State.REQUESTED,
        practitioner=host,
        guests=(asker,),
        seats=1,
        terms=terms,
        limits=limits,
        requested_at_ms=now_ms,
        offered_at_ms=now_ms if unpaid else None,
        clock_ms=now_ms,
        until_ms=until_ms,
    )
    return Change(room, (StateChanged(), Offered()) if unpaid else (StateChanged(),))


def fund(
    room: Room, guest_id: UserId, *, ordinal: int, funded_ms: int, more: bool = False, now_ms: int
) -> Change:
    """A hold was placed: `funded_ms` more time is paid for. The first one lets the request ring.

    `more` says whether the cap leaves room for a further hold. Raises NotLive once the session is over: the
    caller then cancels the hold.
    """
    guest, hold = _funding(room, guest_id)
    if ordinal in hold.ordinals:
        return Change(room)
    if room.state in OVER or guest.lobby == "refused" or ordinal < guest.holds_from:
        raise NotLive("The session is over; a hold that comes now is not used.")
    now_ms = max(now_ms, room.clock_ms)
    further = extension.placed(hold.further, ordinal, more=more)
    hold = Hold("placed", (*hold.ordinals, ordinal), hold.funded_ms + funded_ms, further=further)
    left_ms = hold.funded_ms - meter.billed_ms(room, guest, now_ms)
    # A mark that lies ahead again will be warned of again; one that is still behind was warned of.
    warned = tuple(minute for minute in guest.warned_minutes if minute * 60_000 >= left_ms)
    funded = room.with_participant(replace(guest, hold=hold, warned_minutes=warned))
    if room.booked is not None:
        return Change(replace(funded, clock_ms=now_ms), (StateChanged(), MeterChanged(guest.no)))
    if room.state is State.REQUESTED and room.offered_at_ms is None:
        offered = replace(funded, offered_at_ms=now_ms, clock_ms=now_ms)
        return Change(offered, (StateChanged(), Offered()))
    ready = guest.lobby == "waiting" and not guest.ready
    told = (LobbyTold(guest.no), LobbyChanged()) if ready else (MeterChanged(guest.no),)
    return Change(replace(funded, clock_ms=now_ms), told)


def await_confirmation(room: Room, guest_id: UserId, *, url: str, now_ms: int) -> Change:
    """The guest's bank wants to be asked first (3-D Secure); `url` is where the guest does that."""
    guest, hold = _funding(room, guest_id)
    if not _undecided(room, guest) or hold.status != "pending":
        return Change(room)
    asking = replace(hold, status="action_required", url=url)
    waiting = room.with_participant(replace(guest, hold=asking))
    told = StateChanged() if room.kind != "live_room" else LobbyTold(guest.no)
    return Change(replace(waiting, clock_ms=max(now_ms, room.clock_ms)), (told,))


def decline_hold(room: Room, guest_id: UserId, *, now_ms: int) -> Change:
    """The card was declined. A request or knock that waited for it is over; a running session goes on."""
    guest, hold = _funding(room, guest_id)
    if not _undecided(room, guest) or hold.status == "placed":
        return Change(room)
    refused = replace(guest, hold=replace(hold, status="declined", url=None))
    declined = room.with_participant(refused)
    if room.booked is not None:
        # There is time to save another card until the money has to be held.
        return Change(replace(declined, clock_ms=max(now_ms, room.clock_ms)), (StateChanged(),))
    if room.kind == "live_room":
        return departure.end_part(declined, refused, "card_declined", now_ms=now_ms)
    return departure.close(declined, State.CANCELLED, "card_declined", now_ms=now_ms)


def accept(room: Room, who: UserId, *, now_ms: int) -> Change:
    """The practitioner takes the ringing request."""
    _require_practitioner(room, who)
    if room.accepted_at_ms is not None and room.state not in OVER:
        return Change(room)
    if room.state is not State.REQUESTED or room.offered_at_ms is None:
        raise IllegalTransition(f"A session that is {room.state} cannot be accepted.")
    now_ms = max(now_ms, room.clock_ms)
    accepted = replace(room, state=State.WAITING, accepted_at_ms=now_ms, clock_ms=now_ms)
    return Change(accepted, (StateChanged(),))


def decline(room: Room, who: UserId, *, now_ms: int) -> Change:
    """The practitioner turns the request down."""
    _require_practitioner(room, who)
    if room.state is State.DECLINED:
        return Change(room)
    if room.booked is not None:
        return booked.cancel(room, who, now_ms=now_ms)
    if room.state is not State.REQUESTED:
        raise IllegalTransition(f"A session that is {room.state} cannot be declined.")
    return departure.close(room, State.DECLINED, "declined", now_ms=now_ms)


def cancel(room: Room, who: UserId, *, now_ms: int) -> Change:
    """The guest takes the request back, before the session is live."""
    if _part(room, who).role != "guest":
        raise NotFound
    if room.state is State.CANCELLED:
        return Change(room)
    if room.kind == "live_room":
        return lobby.take_back(room, who, now_ms=now_ms)
    if room.booked is not None:
        return booked.cancel(room, who, now_ms=now_ms)
    if room.state not in (State.REQUESTED, State.WAITING):
        raise IllegalTransition(f"A session that is {room.state} cannot be cancelled; end it.")
    return departure.close(room, State.CANCELLED, "cancelled_by_guest", now_ms=now_ms)


def join(
    room: Room, who: UserId, *, connection: ConnectionId, hub: HubId, seq: int = 0, now_ms: int
) -> Change:
    """A socket of a participant enters the room. With both sides present the session is live.

    `seq` is the last message before it: whoever comes into a live room for the first time comes after it.
    """
    person = _part(room, who)
    if room.state not in OPEN:
        raise NotLive
    if person.lobby == "waiting":
        raise NotAdmitted
    if person.lobby == "refused":
        raise NotLive("Your part in this room is over.")
    if any(anchor.connection == connection for anchor in person.anchors):
        return Change(room)
    now_ms = max(now_ms, room.clock_ms)
    entered = replace(person, anchors=(*person.anchors, Anchor(connection, hub, now_ms)))
    if room.kind == "live_room" and person.role == "guest":
        entered = lobby.entering(room, entered, seq=seq, now_ms=now_ms)
    changed = replace(room.with_participant(entered), clock_ms=now_ms)
    news: tuple[News, ...] = () if person.present else (PresenceChanged(who, True),)
    if room.state is State.LIVE and person.role == "guest" and not person.present:
        # Only in a live room: the meter of each guest starts as they come.
        news = (*news, MeterChanged(person.no))
    return go_live(changed, news, now_ms=now_ms)


def leave(room: Room, connection: ConnectionId, *, now_ms: int) -> Change:
    """A participant takes this socket out of the room on purpose: present until now."""
    now_ms = max(now_ms, room.clock_ms)
    return departure.drop(room, {connection: now_ms}, reason="left", now_ms=now_ms)


def end(room: Room, who: UserId, *, proofs: Proofs, now_ms: int) -> Change:
    """Either side of a 1:1 session ends it for both. Before it was live, nothing was used: it is cancelled.
    A guest of a live room ends their own part, its host the whole.

    `proofs` says when each socket in the room was last heard, as far as is known.
    """
    person = _part(room, who)
    if room.state in OVER:
        return Change(room)
    if room.kind == "live_room" and person.role == "guest":
        return lobby.leave_for_good(room, person, proofs=proofs, now_ms=now_ms)
    reason = f"ended_by_{person.role}"
    if room.state in (State.LIVE, State.PAUSED):
        return departure.close(room, State.ENDED, reason, proofs=proofs, now_ms=now_ms)
    if room.booked is not None:
        return booked.cancel(room, who, proofs=proofs, now_ms=now_ms)
    if room.state is State.WAITING:
        return departure.close(room, State.CANCELLED, reason, proofs=proofs, now_ms=now_ms)
    raise IllegalTransition("The session has not begun; cancel or decline it.")


def bound(room: Room, until_ms: int, *, now_ms: int) -> Change:
    """Somebody's time belongs to others from `until_ms` on: the session is over by then."""
    if room.state in OVER or (room.until_ms is not None and room.until_ms <= until_ms):
        return Change(room)
    bounded = replace(room, until_ms=until_ms, clock_ms=max(now_ms, room.clock_ms))
    return Change(bounded, (StateChanged(),))


def give_way(room: Room, who: UserId, *, proofs: Proofs, now_ms: int) -> Change:
    """Somebody's time belongs to their booking from now on: they are in this session no more."""
    person = room.participant(who)
    if person is None or room.state in OVER:
        return Change(room)
    if room.kind == "live_room" and person.role == "guest":
        return end(room, who, proofs=proofs, now_ms=now_ms)
    state = State.ENDED if room.state in (State.LIVE, State.PAUSED) else State.CANCELLED
    return departure.close(room, state, "next_booking", proofs=proofs, now_ms=now_ms)


def stop(room: Room, because: Because, *, proofs: Proofs, now_ms: int) -> Change:
    """A session ends for a reason that decides who pays for it, whoever found it."""
    if room.state in OVER:
        return Change(room)
    state = State.ENDED if room.state in (State.LIVE, State.PAUSED) else State.CANCELLED
    return departure.close(room, state, because, proofs=proofs, now_ms=now_ms)


def rename(room: Room, who: UserId, name: str, *, now_ms: int) -> Change:
    """A participant is called otherwise from now on. What is over keeps the names it had."""
    person = _part(room, who)
    if person.name == name or room.state in OVER:
        return Change(room)
    renamed = room.with_participant(replace(person, name=name))
    own = (PartChanged(person.no),) if room.kind == "live_room" else ()
    return Change(replace(renamed, clock_ms=max(now_ms, room.clock_ms)), (StateChanged(), *own))


def settle(room: Room, *, now_ms: int) -> Change:
    """The record and the charge are committed."""
    if room.state is not State.ENDED:
        return Change(room)
    settled = replace(room, state=State.SETTLED, clock_ms=max(now_ms, room.clock_ms))
    return Change(settled, (StateChanged(),))


def _undecided(room: Room, guest: Participant) -> bool:
    """Whether a request or a knock waits for the guest's first hold."""
    return room.state is State.REQUESTED or (room.state in OPEN and guest.lobby == "waiting")


def go_live(room: Room, news: tuple[News, ...], *, now_ms: int) -> Change:
    """Live from now on if all are there who have to be, and what is booked has come; else as it is."""
    early = room.booked is not None and now_ms < room.booked.starts_at_ms
    if not room.together or early or room.state is State.LIVE:
        return Change(room, news)
    live_at_ms = now_ms if room.live_at_ms is None else room.live_at_ms
    live = replace(room, state=State.LIVE, live_at_ms=live_at_ms, paused_at_ms=None)
    meters = tuple(MeterChanged(guest.no) for guest in room.guests if guest.present)
    return Change(live, (*news, StateChanged(), *meters))


def _funding(room: Room, guest_id: UserId) -> tuple[Participant, Hold]:
    guest = _part(room, guest_id)
    if guest.hold is None:
        raise NotFound
    return guest, guest.hold


def _part(room: Room, who: UserId) -> Participant:
    person = room.participant(who)
    if person is None:
        raise NotFound
    return person


def _require_practitioner(room: Room, who: UserId) -> None:
    # A guest asking for what only the practitioner may do learns nothing new: to them it does not exist.
    if _part(room, who).role != "practitioner":
        raise NotFound
