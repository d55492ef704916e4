"""Live rooms and their lobby: who asks to be let in, who is, and how each guest's part ends by itself.

    knock ──> waiting ──> admitted ──> (joins, leaves, comes back) ──> refused
                 ^  └─────────┬──────────────────────────────────────────^
                 └── sent back┘

`refused` is out, for whatever reason. A part that was entered and is over stays over: it is billed once. Who
was never in may knock again, unless the host or a moderator said no.
"""

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from rooms import departure
from rooms.departure import Proofs
from rooms.errors import IllegalTransition, LobbyFull, NotFound, NotLive, RoomFull
from rooms.ids import ConnectionId, HubId, SessionId, UserId
from rooms.news import Change, LobbyChanged, LobbyTold, News, PartChanged
from rooms.room import OPEN, OVER, Anchor, Further, History, Hold, Limits, Participant, Room, State, Terms

SEATS_MAX: Final = 10_000
WAITING_MAX: Final = 500
"""People in one lobby at once."""
PARTS_PER_SEAT: Final = 2
PARTS_LEAST: Final = 1_000
"""A room remembers everybody who ever knocked: as many as twice its seats, but this many at least."""
EARLY_MS: Final = 900_000
"""How long before the time that its host named one may knock."""
FINAL: Final = frozenset({"denied", "removed", "guest_conduct", "minor"})
"""Why a part stays refused even of somebody who was never in."""


def open_room(
    session_id: SessionId,
    *,
    host: tuple[UserId, str],
    terms: Terms,
    limits: Limits,
    seats: int,
    history: History,
    starts_at_ms: int | None,
    now_ms: int,
) -> Change:
    """A live room that waits for its host, `(id, name)`. Nobody needs to accept it: it is offered to all."""
    room = Room(
        id=session_id,
        kind="live_room",
        state=State.WAITING,
        practitioner=Participant(0, host[0], host[1], "practitioner"),
        guests=(),
        seats=seats,
        terms=terms,
        limits=limits,
        requested_at_ms=now_ms,
        offered_at_ms=now_ms,
        clock_ms=now_ms,
        history=history,
        starts_at_ms=starts_at_ms,
    )
    return Change(room)


def opens_at_ms(room: Room) -> int:
    """From when on one may knock."""
    return room.requested_at_ms if room.starts_at_ms is None else room.starts_at_ms - EARLY_MS


def knock(
    room: Room,
    who: tuple[UserId, str],
    *,
    request_id: str,
    connection: ConnectionId,
    hub: HubId,
    cap_minor: int | None = None,
    now_ms: int,
) -> Change:
    """Somebody, `(id, name)`, asks to be let in, through this socket. Asked again it changes nothing, but
    that another socket of theirs keeps the knock up as well.

    Raises NotFound (no live room, or their own), NotLive, LobbyFull; IllegalTransition for whom it is over.
    """
    if room.kind != "live_room" or room.practitioner.user_id == who[0]:
        raise NotFound
    known = room.participant(who[0])
    if known is not None and known.lobby == "refused" and known.knock_id == request_id:
        return Change(room)
    if room.state not in OPEN:
        raise NotLive
    now_ms = max(now_ms, room.clock_ms)
    if now_ms < opens_at_ms(room):
        raise NotLive("The lobby opens a quarter of an hour before the room begins.")
    if known is None or known.lobby == "refused":
        me, anew = _part(room, known, who, request_id, cap_minor, now_ms), True
    else:
        me, anew = known, False
    if me.lobby != "waiting" or any(anchor.connection == connection for anchor in me.anchors):
        return Change(room)
    me = replace(me, anchors=(*me.anchors, Anchor(connection, hub, now_ms)), away_since_ms=None)
    news: list[News] = []
    if anew:
        news = [PartChanged(me.no), LobbyTold(me.no), *([LobbyChanged()] if me.ready else [])]
    if known is None:
        return Change(replace(room, guests=(*room.guests, me), clock_ms=now_ms), tuple(news))
    return Change(replace(room.with_participant(me), clock_ms=now_ms), tuple(news))


def admit(room: Room, who: UserId, user_id: UserId, *, now_ms: int) -> Change:
    """The host lets somebody in; they take a seat from now on.

    Raises RoomFull, IllegalTransition, NotFound.
    """
    guest = _guest(room, who, user_id)
    if guest.lobby == "admitted":
        return Change(room)
    if guest.lobby == "refused":
        raise IllegalTransition("They are not in the lobby any more.")
    if not guest.ready:
        raise IllegalTransition("Their card is not confirmed yet; wait for that first.")
    if seated(room) >= room.seats:
        raise RoomFull
    now_ms = max(now_ms, room.clock_ms)
    # Their lines in the lobby prove no presence in the room: they come in by `room:join`.
    admitted = replace(guest, lobby="admitted", anchors=(), away_since_ms=now_ms)
    changed = replace(room.with_participant(admitted), clock_ms=now_ms)
    return Change(changed, (PartChanged(guest.no), LobbyTold(guest.no), LobbyChanged()))


def deny(room: Room, who: UserId, user_id: UserId, *, now_ms: int) -> Change:
    """The host does not let somebody in, or not again. Raises IllegalTransition for who is in, NotFound."""
    guest = _guest(room, who, user_id)
    if guest.lobby == "refused":
        return Change(room)
    if guest.lobby == "admitted":
        raise IllegalTransition("They were let in; send them back to the lobby, or remove them.")
    return _put_out(room, guest, now_ms=now_ms)


def send_back(room: Room, who: UserId, user_id: UserId, *, proofs: Proofs, now_ms: int) -> Change:
    """The host sends a guest back to the lobby: their time stops, their hold stays, their seat is free."""
    guest = _guest(room, who, user_id)
    if guest.lobby == "waiting":
        return Change(room)
    if guest.lobby == "refused":
        raise IllegalTransition("They are not in the room any more.")
    now_ms = max(now_ms, room.clock_ms)
    ended = departure.end_part(room, guest, "sent_back", proofs=proofs, now_ms=now_ms)
    closed = _guest(ended.room, who, user_id)
    lines = tuple(Anchor(anchor.connection, anchor.hub, now_ms) for anchor in guest.anchors)
    waiting = replace(
        closed,
        lobby="waiting",
        anchors=lines,
        away_since_ms=None if lines else now_ms,
        ended_at_ms=None,
        end_reason=None,
        billed_until_ms=None,
    )
    return Change(ended.room.with_participant(waiting), (*ended.news, LobbyChanged()))


def remove(room: Room, who: UserId, user_id: UserId, *, proofs: Proofs, now_ms: int) -> Change:
    """The host removes a guest, from the room or the lobby, for good."""
    guest = _guest(room, who, user_id)
    if guest.lobby == "refused":
        return Change(room)
    return _put_out(room, guest, proofs=proofs, now_ms=now_ms)


def stop_part(room: Room, user_id: UserId, because: str, *, proofs: Proofs, now_ms: int) -> Change:
    """A guest's part ends for a reason that decides who pays for it. Raises NotFound."""
    guest = room.participant(user_id)
    if guest is None or guest.role != "guest":
        raise NotFound
    if guest.lobby == "refused" or room.state in OVER:
        return Change(room)
    return departure.end_part(room, guest, because, proofs=proofs, now_ms=now_ms)


def leave_for_good(room: Room, guest: Participant, *, proofs: Proofs, now_ms: int) -> Change:
    """A guest ends their own part; or, not let in yet, takes their knock back."""
    if guest.lobby == "refused":
        return Change(room)
    reason = "cancelled_by_guest" if guest.entered_at_ms is None else "ended_by_guest"
    return departure.end_part(room, guest, reason, proofs=proofs, now_ms=now_ms)


def take_back(room: Room, who: UserId, *, now_ms: int) -> Change:
    """A guest who was never in takes their knock back. Raises IllegalTransition, NotFound."""
    guest = room.participant(who)
    if guest is None:
        raise NotFound
    if guest.lobby == "refused":
        return Change(room)
    if guest.entered_at_ms is not None:
        raise IllegalTransition("You were in this room already; end your part instead.")
    return departure.end_part(room, guest, "cancelled_by_guest", now_ms=now_ms)


def entering(room: Room, guest: Participant, *, seq: int, now_ms: int) -> Participant:
    """A guest's part as they come in; at the first time, with the place in the chat from which they read."""
    if guest.entered_at_ms is not None:
        return replace(guest, away_since_ms=None)
    from_seq = 0 if room.history == "all" else seq
    return replace(guest, away_since_ms=None, entered_at_ms=now_ms, from_seq=from_seq)


def seated(room: Room) -> int:
    """Seats that are taken: by all who were let in and are not out, away for a moment or not."""
    return sum(guest.lobby == "admitted" for guest in room.guests)


def waiting(room: Room) -> Iterable[Participant]:
    """Those whom the host may let in, in the order in which they knocked."""
    return sorted((guest for guest in room.guests if guest.ready), key=lambda guest: guest.knocked_at_ms)


def due_ms(room: Room) -> int | None:
    """When the next guest's part is over by time alone."""
    if room.kind != "live_room" or room.state not in OPEN:
        return None
    dues = [due for guest in room.guests if (due := _part_due_ms(room, guest)) is not None]
    return min(dues, default=None)


def tick(room: Room, *, now_ms: int) -> Change:
    """End the parts that are over by time: nobody came back, or a hold never came to be."""
    due = due_ms(room)
    if due is None or now_ms < due:
        return Change(room)
    news: tuple[News, ...] = ()
    for guest in room.guests:
        guest_due_ms = _part_due_ms(room, guest)
        if guest_due_ms is None or now_ms < guest_due_ms:
            continue
        change = departure.end_part(room, guest, _why_over(room, guest, now_ms), now_ms=now_ms)
        room, news = change.room, (*news, *change.news)
    return Change(room, news)


def _part_due_ms(room: Room, guest: Participant) -> int | None:
    if guest.lobby == "refused":
        return None
    dues = [] if guest.away_since_ms is None else [guest.away_since_ms + room.limits.grace_ms]
    if guest.lobby == "waiting" and not guest.ready:
        dues.append(_hold_due_ms(room, guest))
    return min(dues, default=None)


def _hold_due_ms(room: Room, guest: Participant) -> int:
    asking = guest.hold is not None and guest.hold.status == "action_required"
    return guest.knocked_at_ms + (room.limits.confirm_ms if asking else room.limits.hold_ms)


def _why_over(room: Room, guest: Participant, now_ms: int) -> str:
    if guest.entered_at_ms is not None:
        return "line_lost"
    if guest.lobby == "admitted":
        return "not_joined"
    unheld = not guest.ready and now_ms >= _hold_due_ms(room, guest)
    return "hold_timeout" if unheld else "knock_abandoned"


def _part(
    room: Room,
    before: Participant | None,
    who: tuple[UserId, str],
    request_id: str,
    cap_minor: int | None,
    now_ms: int,
) -> Participant:
    """The part of somebody who knocks now. It is the same one as at a knock before: one bill a person."""
    if before is not None and (before.entered_at_ms is not None or before.end_reason in FINAL):
        raise IllegalTransition("Your part in this room is over.")
    if before is None and len(room.guests) >= max(PARTS_LEAST, PARTS_PER_SEAT * room.seats):
        raise LobbyFull
    if sum(guest.lobby == "waiting" for guest in room.guests) >= WAITING_MAX:
        raise LobbyFull
    tried = 0 if before is None or before.hold is None else before.hold.further.tried
    first = tried + 1
    hold = None if room.terms.kind == "free" else Hold("pending", further=Further(tried=first))
    return Participant(
        no=len(room.guests) + 1 if before is None else before.no,
        user_id=who[0],
        name=who[1],
        role="guest",
        hold=hold,
        lobby="waiting",
        knock_id=request_id,
        knocked_at_ms=now_ms,
        holds_from=first,
        cap_minor=cap_minor,
    )


def _put_out(room: Room, guest: Participant, *, proofs: Proofs | None = None, now_ms: int) -> Change:
    reason = "denied" if guest.entered_at_ms is None else "removed"
    return departure.end_part(room, guest, reason, proofs=proofs, now_ms=now_ms)


def _guest(room: Room, who: UserId, user_id: UserId) -> Participant:
    """The part that a host decides about, in an open live room of theirs. Raises NotFound, NotLive."""
    guest = room.participant(user_id)
    if room.kind != "live_room" or room.practitioner.user_id != who or guest is None or guest.no == 0:
        raise NotFound
    if room.state not in OPEN:
        raise NotLive
    return guest
