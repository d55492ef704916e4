"""What a moderator, or the host of a room, does to a room: pure decisions, repeatable like all others."""

from typing import Final, Literal, assert_never

from msgspec import Struct
from msgspec.structs import replace

from rooms import lobby, session
from rooms.departure import Proofs
from rooms.errors import IllegalTransition, NotFound, NotLive, RoomError
from rooms.ids import UserId
from rooms.news import Change, Muted
from rooms.queue import DISTRESS, MINOR
from rooms.room import OPEN, MutedBy, Participant, Room

Action = Literal["dismiss", "warn", "mute", "unmute", "remove", "end", "suspend", "release", "reject"]
Reason = Literal["conduct", "minor", "none"]

AGAINST: Final[frozenset[Action]] = frozenset({"warn", "mute", "remove", "suspend"})
"""Actions that need somebody they are directed at."""
APPEALABLE: Final = frozenset({"warn", "mute", "remove", "end", "suspend"})
ABOUT_MESSAGE: Final[frozenset[Action]] = frozenset({"release", "reject"})
TIMED: Final[frozenset[Action]] = frozenset({"mute", "suspend"})
"""Actions that may be for a time; without one they last until they are taken back."""
IN_ROOM: Final[frozenset[Action]] = frozenset({"mute", "unmute", "remove", "end"})
"""Actions that make no sense once the session is over."""
CLOSES: Final[frozenset[Action]] = frozenset(
    {"dismiss", "warn", "mute", "remove", "end", "suspend", "release", "reject"}
)
"""Actions that decide the case they are about."""


class NotForDistress(RoomError):
    """Somebody in distress is helped, not punished: dismiss or release it, or end the session for both."""

    code = "conflict"


class NeedsFlag(RoomError):
    """Say which case: this action is about its message."""

    code = "conflict"


class Sanction(Struct, frozen=True):
    """An action as decided: against whom, why, and what it makes of the case."""

    action: Action
    user_id: UserId | None
    reason: Reason


def sanction(
    action: Action,
    *,
    category: str | None,
    subject: UserId | None,
    at_fault: UserId | None,
    held: bool = False,
) -> Sanction:
    """What an action on a case means. The case is about `subject`; the moderator named `at_fault`.

    `held`: its message waits because of something else that was found in it. That may be kept back, also from
    somebody in distress.

    Raises NotForDistress, NeedsFlag, or IllegalTransition when nobody is named whom it is directed at.
    """
    rejects = action == "reject" and not held
    if category == DISTRESS and (action in AGAINST or rejects or _blames(action, at_fault)):
        raise NotForDistress
    if action in ABOUT_MESSAGE:
        if category is None:
            raise NeedsFlag
        return Sanction(action, subject, "none")
    if action == "dismiss":
        if category is None:
            raise NeedsFlag
        return Sanction(action, subject, "none")
    if action == "end":
        return Sanction(action, at_fault, "none" if at_fault is None else "conduct")
    user_id = at_fault or subject
    if user_id is None:
        raise IllegalTransition("Say whom this is about.")
    if action == "unmute":
        return Sanction(action, user_id, "none")
    minor = action == "suspend" and category == MINOR and user_id == subject
    return Sanction(action, user_id, "minor" if minor else "conduct")


def _blames(action: Action, at_fault: UserId | None) -> bool:
    return action == "end" and at_fault is not None


def mute(room: Room, user_id: UserId, *, by: MutedBy, until_ms: int | None = None, now_ms: int) -> Change:
    """The person may not speak, until then or until it is taken back. A host cannot shorten a moderator's."""
    person = _part(room, user_id)
    _require_open(room)
    if person.muted and person.muted_by == "moderator" and by == "host":
        return Change(room)
    muted = replace(person, muted=True, muted_until_ms=until_ms, muted_by=by)
    if muted == person:
        return Change(room)
    changed = replace(room.with_participant(muted), clock_ms=max(now_ms, room.clock_ms))
    return Change(changed, (Muted(user_id, True, until_ms),))


def unmute(room: Room, user_id: UserId, *, by: MutedBy, now_ms: int) -> Change:
    """The person may speak again. A host cannot take back what a moderator decided."""
    person = _part(room, user_id)
    _require_open(room)
    if not person.muted:
        return Change(room)
    if person.muted_by == "moderator" and by == "host":
        raise IllegalTransition("A moderator muted them; only a moderator can take that back.")
    changed = replace(room.with_participant(person.unmuted()), clock_ms=max(now_ms, room.clock_ms))
    return Change(changed, (Muted(user_id, False),))


def host_mutes(room: Room, who: UserId, user_id: UserId, *, now_ms: int) -> Change:
    """The host mutes a guest in their own room."""
    _require_host(room, who, user_id)
    return mute(room, user_id, by="host", now_ms=now_ms)


def host_unmutes(room: Room, who: UserId, user_id: UserId, *, now_ms: int) -> Change:
    """The host takes that back."""
    _require_host(room, who, user_id)
    return unmute(room, user_id, by="host", now_ms=now_ms)


def host_removes(room: Room, who: UserId, user_id: UserId, *, proofs: Proofs, now_ms: int) -> Change:
    """The host removes a guest. With a single guest nobody is left, so the host has ended the session."""
    _require_host(room, who, user_id)
    if room.kind == "live_room":
        return lobby.remove(room, who, user_id, proofs=proofs, now_ms=now_ms)
    return session.end(room, who, proofs=proofs, now_ms=now_ms)


def carry_out(
    room: Room,
    decided: Sanction,
    *,
    until_ms: int | None,
    proofs: Proofs,
    now_ms: int,
) -> Change:
    """What an action changes in the room, if anything. Raises NotFound for somebody who has no part in it.

    Removing one of two ends it: nobody is left to be with. A guest of a live room is removed from it, and the
    others stay. Time stops, and who pays is decided, in this one change.
    """
    action, user_id = decided.action, decided.user_id
    match action:
        case "dismiss" | "warn" | "release" | "reject":
            return Change(room)
        case "mute" | "unmute":
            if user_id is None:
                raise NotFound
            if action == "mute":
                return mute(room, user_id, by="moderator", until_ms=until_ms, now_ms=now_ms)
            return unmute(room, user_id, by="moderator", now_ms=now_ms)
        case "end" | "remove" | "suspend":
            because = because_of(room, decided)
            if user_id is not None and is_one_of_many(room, user_id):
                return _stop_part(room, user_id, action, because, proofs, now_ms)
            return session.stop(room, because, proofs=proofs, now_ms=now_ms)
        case never:
            assert_never(never)


def is_one_of_many(room: Room, user_id: UserId) -> bool:
    """Whether somebody is a guest of a live room, which goes on without them."""
    return room.kind == "live_room" and room.practitioner.user_id != user_id


def _stop_part(
    room: Room, user_id: UserId, action: Action, because: session.Because, proofs: Proofs, now_ms: int
) -> Change:
    out = lobby.stop_part(room, user_id, because, proofs=proofs, now_ms=now_ms)
    if action != "end":
        return out
    # The whole room ends; who was at fault pays by that, and the others as after any end.
    over = session.stop(out.room, "ended_by_moderator", proofs=proofs, now_ms=now_ms)
    return Change(over.room, (*out.news, *over.news))


def because_of(room: Room, decided: Sanction) -> session.Because:
    """Why the session ends, in the words that decide who pays."""
    if decided.user_id is None:
        return "ended_by_moderator"
    person = _part(room, decided.user_id)
    if decided.reason == "minor":
        # Of a practitioner who is no adult: the guest has no part in it, and pays nothing.
        return "minor" if person.role == "guest" else "practitioner_fault"
    return "guest_conduct" if person.role == "guest" else "practitioner_conduct"


def _part(room: Room, user_id: UserId) -> Participant:
    person = room.participant(user_id)
    if person is None:
        raise NotFound
    return person


def _require_open(room: Room) -> None:
    if room.state not in OPEN:
        raise NotLive


def _require_host(room: Room, who: UserId, user_id: UserId) -> None:
    if room.practitioner.user_id != who or _part(room, user_id).role != "guest":
        raise NotFound
