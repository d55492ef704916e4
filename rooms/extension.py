"""Further holds: when funded time runs short, the next one is asked for before it is used up.

A room asks for a hold by its ordinal and goes on asking until it hears what came of it; whoever commits the
question puts the operation on record, and the second time finds it there. Amounts are decided elsewhere.
"""

from msgspec.structs import replace

from rooms import meter
from rooms.errors import IllegalTransition, NotAdmitted, NotFound, NotLive
from rooms.ids import UserId
from rooms.news import Change, MeterChanged, Noticed, StateChanged
from rooms.room import OPEN, OVER, Further, Hold, Participant, Room

AGAIN_MS = 5_000
"""A question that nobody seems to have put on record is asked again after this."""
REQUESTS_KEPT = 8


def due_ms(room: Room, guest: Participant) -> int | None:
    """When this guest's next hold is to be asked for, or asked for again; None without a question."""
    hold, funded_at_ms = guest.hold, meter.funded_at_ms(room, guest, room.clock_ms)
    if hold is None or funded_at_ms is None:
        return None
    if hold.further.asked is not None:
        return hold.further.asked_at_ms + AGAIN_MS
    if not hold.further.possible:
        return None
    return funded_at_ms - hold.funded_ms * (100 - room.limits.extend_percent) // 100


def tick(room: Room, guest: Participant, *, now_ms: int) -> Participant:
    """The guest's part at `now_ms`, with the question asked if it is time."""
    asked_ms = due_ms(room, guest)
    if guest.hold is None or asked_ms is None or now_ms < asked_ms:
        return guest
    further = guest.hold.further
    if further.asked is None:
        further = _asking(guest.hold, minutes=0)
    return replace(guest, hold=replace(guest.hold, further=replace(further, asked_at_ms=now_ms)))


def ask(
    room: Room, guest_id: UserId, *, minutes: int, cap_minor: int, request_id: str | None, now_ms: int
) -> Change:
    """The guest wants `minutes` more, and agrees to be charged up to `cap_minor`.

    The same `request_id`, or the same wish while the last one is not decided, changes nothing.
    Raises NotLive, NotFound, NotAdmitted, IllegalTransition.
    """
    guest, hold = _funded(room, guest_id)
    further = hold.further
    if request_id is not None and request_id in dict(further.requests):
        return Change(room)
    if room.state in OVER or guest.lobby == "refused":
        raise NotLive
    if guest.lobby == "waiting":
        raise NotAdmitted
    if room.state not in OPEN or hold.status != "placed" or room.terms.kind != "per_minute":
        raise IllegalTransition("This session cannot be extended.")
    if further.asked is not None and further.minutes == minutes:
        return Change(room)
    if further.asked is not None:
        raise IllegalTransition("More time is being paid for already; wait for that first.")
    now_ms = max(now_ms, room.clock_ms)
    further = replace(_asking(hold, minutes=minutes), asked_at_ms=now_ms)
    if request_id is not None:
        named = (*further.requests, (request_id, further.tried))
        further = replace(further, requests=named[-REQUESTS_KEPT:])
    asking = room.with_participant(replace(guest, hold=replace(hold, further=further)))
    if room.kind == "live_room":
        own = replace(asking.participant(guest_id) or guest, cap_minor=cap_minor)
        return Change(replace(asking.with_participant(own), clock_ms=now_ms), (MeterChanged(guest.no),))
    terms = replace(room.terms, cap_minor=cap_minor)
    return Change(replace(asking, terms=terms, clock_ms=now_ms), (StateChanged(),))


def refuse(room: Room, guest_id: UserId, *, ordinal: int, now_ms: int) -> Change:
    """A further hold came to nothing: both are told, and the session ends when the funded time is used up."""
    guest, hold = _funded(room, guest_id)
    if hold.further.asked != ordinal or room.state in OVER or guest.lobby == "refused":
        return Change(room)
    further = replace(hold.further, asked=None, minutes=0, possible=False)
    refused = room.with_participant(replace(guest, hold=replace(hold, further=further)))
    noticed = Noticed("extension_declined", guest.no)
    return Change(replace(refused, clock_ms=max(now_ms, room.clock_ms)), (noticed,))


def placed(further: Further, ordinal: int, *, more: bool) -> Further:
    """What is known of further holds once this one stands; `more` says whether the cap leaves room."""
    decided = replace(further, asked=None, minutes=0) if further.asked == ordinal else further
    return replace(decided, possible=more, tried=max(further.tried, ordinal))


def _asking(hold: Hold, *, minutes: int) -> Further:
    ordinal = max(hold.further.tried, *hold.ordinals, 1) + 1
    return replace(hold.further, asked=ordinal, tried=ordinal, minutes=minutes)


def _funded(room: Room, guest_id: UserId) -> tuple[Participant, Hold]:
    guest = room.participant(guest_id)
    if guest is None:
        raise NotFound
    if guest.hold is None:
        raise IllegalTransition("A session without a price needs no more money.")
    return guest, guest.hold
