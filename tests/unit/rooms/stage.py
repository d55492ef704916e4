"""Rooms set up for tests: the same two people, and a room in any state that a session can have.

Every room here was brought to its state by the rules themselves, one minute of room time a step.
"""

from collections.abc import Callable

from rooms import deadlines, session
from rooms.ids import ConnectionId, HubId, SessionId, UserId
from rooms.news import Change
from rooms.room import Anchor, Limits, Participant, Room, State, Terms

START_MS = 1_700_000_000_000
MINUTE_MS = 60_000

GUEST = UserId("00000000-0000-7000-8000-000000000001")
HOST = UserId("00000000-0000-7000-8000-000000000002")
STRANGER = UserId("00000000-0000-7000-8000-000000000003")
HUB = HubId("00000000-0000-7000-8000-00000000000a")
OTHER_HUB = HubId("00000000-0000-7000-8000-00000000000b")
GUEST_SOCKET = ConnectionId("guest-socket")
HOST_SOCKET = ConnectionId("host-socket")

PER_MINUTE = Terms("per_minute", "usd", 300, 0, 2_000, 50, 30_000)
FREE = Terms("free", "usd", 0, 0, 0, 0, 0)
LIMITS = Limits()
FUNDED_MS = 10 * MINUTE_MS

ACCEPTED_MS = START_MS + 2_000
LIVE_MS = START_MS + 4_000
PAUSED_MS = LIVE_MS + MINUTE_MS
OVER_MS = LIVE_MS + 2 * MINUTE_MS


def asked(terms: Terms = PER_MINUTE, limits: Limits = LIMITS) -> Change:
    """The change that makes a request, at START_MS."""
    return session.request(
        SessionId("00000000-0000-7000-8000-0000000000ff"),
        practitioner=(HOST, "Host"),
        guest=(GUEST, "Guest"),
        terms=terms,
        limits=limits,
        now_ms=START_MS,
    )


def requested() -> Room:
    """A paid request whose hold is still pending."""
    return asked().room


def ringing(terms: Terms = PER_MINUTE, limits: Limits = LIMITS, funded_ms: int = FUNDED_MS) -> Room:
    """A request that the practitioner hears: one second after it was made, if it is paid."""
    room = asked(terms, limits).room
    if terms.kind == "free":
        return room
    return session.fund(room, GUEST, ordinal=1, funded_ms=funded_ms, now_ms=START_MS + 1_000).room


def waiting(terms: Terms = PER_MINUTE, limits: Limits = LIMITS, funded_ms: int = FUNDED_MS) -> Room:
    """An accepted session whose room is still empty, at ACCEPTED_MS."""
    return session.accept(ringing(terms, limits, funded_ms), HOST, now_ms=ACCEPTED_MS).room


def live(terms: Terms = PER_MINUTE, limits: Limits = LIMITS, funded_ms: int = FUNDED_MS) -> Room:
    """Host in the room a second early, the guest at LIVE_MS."""
    room = enter(waiting(terms, limits, funded_ms), HOST, HOST_SOCKET, LIVE_MS - 1_000)
    return enter(room, GUEST, GUEST_SOCKET, LIVE_MS)


def paused() -> Room:
    """The guest left a live session at PAUSED_MS; the host is still there."""
    return session.leave(live(), GUEST_SOCKET, now_ms=PAUSED_MS).room


def ended() -> Room:
    """The guest ended a session after two minutes, at OVER_MS, both heard until then."""
    heard = {GUEST_SOCKET: OVER_MS, HOST_SOCKET: OVER_MS}
    return session.end(live(), GUEST, proofs=heard, now_ms=OVER_MS).room


def settled() -> Room:
    """The ended session, its record committed."""
    return session.settle(ended(), now_ms=OVER_MS + 500).room


def declined() -> Room:
    """The practitioner turned the request down."""
    return session.decline(ringing(), HOST, now_ms=ACCEPTED_MS).room


def expired() -> Room:
    """It rang to the end."""
    return deadlines.tick(ringing(), now_ms=START_MS + 1_000 + LIMITS.ring_ms).room


def cancelled() -> Room:
    """The guest took the request back."""
    return session.cancel(ringing(), GUEST, now_ms=ACCEPTED_MS).room


STAGES: dict[str, Callable[[], Room]] = {
    "requested": requested,
    "ringing": ringing,
    "waiting": waiting,
    "live": live,
    "paused": paused,
    "ended": ended,
    "settled": settled,
    "declined": declined,
    "expired": expired,
    "cancelled": cancelled,
}
"""A room by state; `ringing` is `requested` once the practitioner hears it."""

OVER_STAGES = ("ended", "settled", "declined", "expired", "cancelled")


def state_of(stage: str) -> State:
    """The public state of a stage."""
    return State.REQUESTED if stage == "ringing" else State(stage)


def enter(room: Room, who: UserId, connection: ConnectionId, now_ms: int, hub: HubId = HUB) -> Room:
    """The room after this socket came in."""
    return session.join(room, who, connection=connection, hub=hub, now_ms=now_ms).room


def guest_of(room: Room) -> Participant:
    """The one guest of a 1:1 session."""
    (guest,) = room.guests
    return guest


def anchors(room: Room) -> list[Anchor]:
    """Every open socket in the room."""
    return [anchor for person in room.people for anchor in person.anchors]
