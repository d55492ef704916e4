"""A guest wants more time: the cap is raised, the hold placed, and the answer given once it is known."""

from typing import Final

from billing import holds
from hub import views, wire
from hub.bookings import lengthening
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.money.deal import CAP_MAX_MINOR
from rooms import extension
from rooms.errors import NotFound
from rooms.ids import SessionId, UserId
from rooms.news import Change
from rooms.room import OVER, Hold, Participant, Room

ACK_S: Final = 3.0
"""The guest is in the middle of a talk, and what they send next waits for this answer."""


async def extend(hub: Hub, who: UserId, asked: wire.ExtendSession) -> wire.Extended:
    """Raise the cap by `minutes` of the rate and place a hold for them.

    Raises Refused or RoomError with `not_found`, `not_live`, `conflict`, `bad_request` or `card_declined`.
    """
    session_id = SessionId(asked.session_id)
    deadline_ms = hub.now_ms() + int(min(ACK_S, hub.offer.hold_ack_s) * 1000)
    # A hold that is on its way already, by itself, is waited for: it is not the one that is wanted here.
    before, _, _ = await _decided(hub, session_id, who, deadline_ms)
    await lengthening.lengthen(hub, before, asked.minutes, asked.request_id)

    def decide(room: Room, *, now_ms: int) -> Change:
        cap_minor = holds.raised_cap_minor(room.of(_part(room, who)).terms, asked.minutes)
        if cap_minor > CAP_MAX_MINOR:
            raise Refused(Code.BAD_REQUEST, "That is more than one session may cost.")
        return extension.ask(
            room, who, minutes=asked.minutes, cap_minor=cap_minor, request_id=asked.request_id, now_ms=now_ms
        )

    room = (await hub.live.change(session_id, decide)).room
    await hub.live.order(room)
    ordinal = _ordinal(_part(room, who), asked.request_id)
    room, guest, now_ms = await _decided(hub, session_id, who, deadline_ms)
    hold = guest.hold
    goes_on = room.of(guest).state not in OVER
    if hold is not None and ordinal is not None and goes_on and _declined(hold, ordinal):
        raise Refused(
            Code.CARD_DECLINED, "Your card was declined. The session goes on for the time paid so far."
        )
    return wire.Extended(views.meter_view(room, guest, now_ms))


async def _decided(
    hub: Hub, session_id: SessionId, who: UserId, deadline_ms: int
) -> tuple[Room, Participant, int]:
    """The room once no hold is on its way, or when the time is up, with the guest's part and the time."""
    followed = await hub.follows.follow(session_id)
    while True:
        loaded = await hub.live.rooms.require(session_id)
        guest = _part(loaded.room, who)
        waits = guest.hold is not None and guest.hold.further.asked is not None
        left_s = (deadline_ms - hub.now_ms()) / 1000
        if not waits or loaded.room.of(guest).state in OVER or left_s <= 0 or followed is None:
            return loaded.room, guest, loaded.now_ms
        await hub.follows.next_change(followed, after=loaded.room.version, timeout_s=min(left_s, 1.0))


def _part(room: Room, who: UserId) -> Participant:
    guest = room.participant(who)
    if guest is None or guest.role != "guest":
        raise NotFound
    return guest


def _ordinal(guest: Participant, request_id: str | None) -> int | None:
    """The ordinal of the hold that this wish led to, now or when it was first said."""
    further = guest.hold.further if guest.hold is not None else None
    if further is None:
        return None
    named = dict(further.requests).get(request_id) if request_id is not None else None
    return named if named is not None else further.asked


def _declined(hold: Hold, ordinal: int) -> bool:
    return ordinal not in hold.ordinals and hold.further.asked != ordinal
