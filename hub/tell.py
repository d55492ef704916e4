"""Facts become events of the contract: the one place that says who is told what."""

from collections.abc import Sequence
from typing import assert_never

from msgspec import UNSET, Struct

from hub import outbound, views, wire
from rooms.ids import UserId
from rooms.lobby import waiting
from rooms.news import (
    LobbyChanged,
    LobbyTold,
    MeterChanged,
    MeterWarned,
    Muted,
    News,
    Noticed,
    Offered,
    PartChanged,
    PresenceChanged,
    RecordingChanged,
    StateChanged,
)
from rooms.room import Lobby, Participant, Room, Side, State
from store.redis.rooms import Outgoing

PEOPLE = "people"
"""All sockets of everyone who takes part, in the room or not."""
ROOM = "room"
"""The sockets that are in the room."""
OBSERVERS = "observers"
"""The sockets of moderators who observe the room, and nobody else's."""

HUBS = "hubs"
"""No socket: what a hub has to know of a room's people."""

SEEN_SEATS = 50
"""In a live room with more seats than this, guests are an audience: only the host sees who comes and goes."""
LOBBY_SHOWN = 200
"""So many of those who wait are named to the host at once."""

NOTICES = {
    "extension_declined": "The card was declined, so no further time is paid for. "
    "The session ends when the time paid so far is used up.",
}
"""What is said to people about each code."""


USER = "user:"
INSIDE = "room:"


class Part(Struct, frozen=True):
    """What hubs keep of one of a room's people."""

    no: int
    user_id: UserId
    name: str
    role: Side
    lobby: Lobby


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
            return [Outgoing(who_sees(room, user_id), "room:presence", wire.encode(body))]
        case MeterChanged(guest_no):
            return _meter(room, guest_no, now_ms)
        case MeterWarned(guest_no, remaining_ms):
            return _to_guest(room, guest_no, "meter:warning", outbound.MeterWarning(room.id, remaining_ms))
        case Muted(user_id, muted, until_ms):
            told = outbound.RoomMuted(room.id, user_id, muted, UNSET if until_ms is None else until_ms)
            seen_by = who_sees(room, user_id)
            audiences = [ROOM] if seen_by == ROOM else [seen_by, inside(user_id)]
            return [Outgoing(audience, "room:muted", wire.encode(told)) for audience in audiences]
        case Noticed(code, guest_no):
            return _to_guest(room, guest_no, "notice", outbound.Notice(code, NOTICES[code], room.id))
        case PartChanged() | LobbyTold() | LobbyChanged():
            return _lobby(room, fact)
        case RecordingChanged():
            return _recording(room)
    assert_never(fact)


def _recording(room: Room) -> list[Outgoing]:
    told = room.recording
    if told is None:
        return []
    body = outbound.RecordingChanged(room.id, told.state, told.by, told.at_ms)
    return [Outgoing(ROOM, "recording:changed", wire.encode(body))]


def _meter(room: Room, guest_no: int, now_ms: int) -> list[Outgoing]:
    return [
        Outgoing(audience, "meter:update", wire.encode(views.meter_view(room, guest, now_ms)))
        for guest in room.guests
        if guest.no == guest_no
        for audience in _party_to(room, guest)
    ]


def _to_guest(room: Room, guest_no: int, name: str, body: Struct) -> list[Outgoing]:
    """What concerns one guest's money: in a session of two both are told."""
    told = [_party_to(room, guest)[0] for guest in room.guests if guest.no == guest_no]
    return [Outgoing(audience, name, wire.encode(body)) for audience in told]


def _lobby(room: Room, fact: PartChanged | LobbyTold | LobbyChanged) -> list[Outgoing]:
    if isinstance(fact, PartChanged):
        parts = [person for person in room.people if person.no == fact.no]
        return [Outgoing(HUBS, "part", wire.encode(_part(person))) for person in parts]
    if isinstance(fact, LobbyChanged):
        host = user(room.practitioner.user_id)
        return [Outgoing(host, "lobby:changed", wire.encode(lobby(room)))]
    return [
        Outgoing(user(guest.user_id), "lobby:state", wire.encode(lobby_state(room, guest)))
        for guest in room.guests
        if guest.no == fact.guest_no
    ]


def lobby_state(room: Room, guest: Participant) -> outbound.LobbyState:
    """Where a guest of a live room stands, in the words of the contract."""
    reason = UNSET if guest.lobby != "refused" else guest.end_reason or UNSET
    hold = views.hold(guest) if guest.lobby == "waiting" else UNSET
    return outbound.LobbyState(room.id, views.lobby_state(guest), hold, reason)


def lobby(room: Room) -> outbound.LobbyChanged:
    """Who waits to be let in, as the host sees it."""
    there = [views.named(guest) for guest in waiting(room)]
    return outbound.LobbyChanged(room.id, there[:LOBBY_SHOWN], len(there))


def sees_all(room: Room, user_id: UserId) -> bool:
    """Whether somebody in the room sees who else is in it."""
    return room.seats <= SEEN_SEATS or room.practitioner.user_id == user_id


def who_sees(room: Room, user_id: UserId) -> str:
    """Who is told that somebody is there, and what they do: in a room with an audience the host alone, but of
    the host everybody.
    """
    everybody = room.seats <= SEEN_SEATS or room.practitioner.user_id == user_id
    return ROOM if everybody else inside(room.practitioner.user_id)


def _party_to(room: Room, guest: Participant) -> list[str]:
    """Whom a guest's meter concerns: of a live room's many guests that one, and the host."""
    return [ROOM] if room.kind != "live_room" else [user(guest.user_id), user(room.practitioner.user_id)]


def _part(person: Participant) -> Part:
    return Part(person.no, person.user_id, person.name, person.role, person.lobby)


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
