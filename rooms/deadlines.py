"""What time alone brings about. A room has one next deadline; when it is due, `tick` applies all that are.

Any hub or worker may come with the tick, early, late or twice: the rules look at the time, not at the caller.
"""

from msgspec.structs import replace

from rooms import booked, departure, extension, lobby, meter, session
from rooms.departure import Proofs
from rooms.news import Change, MeterWarned, Muted, News
from rooms.room import OPEN, Participant, Room, State

WARNINGS_MIN = (5, 2, 1)
"""Minutes of time left at which both sides are warned."""


def next_due_ms(room: Room) -> int | None:
    """When the room must be looked at again, or None once it is over."""
    due_ms = _state_due_ms(room)
    if due_ms is None:
        return None
    part_due_ms = lobby.due_ms(room)
    return min([due_ms, *_mute_dues_ms(room), *([] if part_due_ms is None else [part_due_ms])])


def _state_due_ms(room: Room) -> int | None:
    limits = room.limits
    if room.state is State.REQUESTED:
        return _request_due_ms(room)
    if room.state is State.WAITING and room.booked is not None:
        return booked.waiting_due_ms(room, room.booked)
    if room.state is State.WAITING:
        return (room.accepted_at_ms or room.starts_at_ms or room.requested_at_ms) + limits.join_ms
    if room.state is State.PAUSED and room.paused_at_ms is not None:
        return min(room.paused_at_ms + limits.grace_ms, _latest_ms(room))
    if room.state is State.LIVE:
        return min([_latest_ms(room), *(due for guest in room.guests for due in _meter_dues_ms(room, guest))])
    return None


def needs_proofs(room: Room) -> bool:
    """Whether what is due depends on who was there, so that it waits until sockets are asked for."""
    return room.state is State.LIVE or (room.state is State.WAITING and room.booked is not None)


def tick(room: Room, *, proofs: Proofs | None = None, now_ms: int) -> Change:
    """Apply whatever is due at `now_ms`; nothing due changes nothing."""
    now_ms = max(now_ms, room.clock_ms)
    lifted = _lift_mutes(room, now_ms)
    parted = lobby.tick(lifted.room, now_ms=now_ms)
    change = _turn(parted.room, proofs, now_ms)
    return Change(change.room, (*lifted.news, *parted.news, *change.news))


def _mute_dues_ms(room: Room) -> list[int]:
    return [person.muted_until_ms for person in room.people if person.muted_until_ms is not None]


def _lift_mutes(room: Room, now_ms: int) -> Change:
    """Mutes that are over by themselves."""
    if room.state not in OPEN:
        return Change(room)
    news: list[News] = []
    for person in room.people:
        if person.muted_until_ms is not None and person.muted_until_ms <= now_ms:
            room = replace(room.with_participant(person.unmuted()), clock_ms=now_ms)
            news.append(Muted(person.user_id, False))
    return Change(room, tuple(news))


def _turn(room: Room, proofs: Proofs | None, now_ms: int) -> Change:
    """What is due of the session itself."""
    due_ms = _state_due_ms(room)
    if due_ms is None or now_ms < due_ms:
        return Change(room)
    if room.state is State.REQUESTED:
        return _expire_request(room, now_ms)
    if room.state is State.WAITING and room.booked is not None:
        begun = session.go_live(room, (), now_ms=now_ms)
        return begun if begun.news else booked.miss(room, room.booked, proofs=proofs, now_ms=now_ms)
    if room.state is State.WAITING:
        return departure.close(room, State.CANCELLED, "not_joined", proofs=proofs, now_ms=now_ms)
    if now_ms >= _latest_ms(room):
        return departure.close(room, State.ENDED, _latest_reason(room), proofs=proofs, now_ms=now_ms)
    if room.state is State.PAUSED:
        return departure.close(room, State.ENDED, "line_lost", proofs=proofs, now_ms=now_ms)
    return _spend(room, proofs, now_ms)


def _request_due_ms(room: Room) -> int:
    if room.booked is not None:
        return booked.request_due_ms(room, room.booked)
    if room.offered_at_ms is not None:
        return room.offered_at_ms + room.limits.ring_ms
    asking = any(guest.hold is not None and guest.hold.status == "action_required" for guest in room.guests)
    return room.requested_at_ms + (room.limits.confirm_ms if asking else room.limits.hold_ms)


def _expire_request(room: Room, now_ms: int) -> Change:
    if room.booked is not None:
        return booked.expire(room, now_ms=now_ms)
    if room.offered_at_ms is not None:
        return departure.close(room, State.EXPIRED, "ring_timeout", now_ms=now_ms)
    return departure.close(room, State.CANCELLED, "hold_timeout", now_ms=now_ms)


def _latest_ms(room: Room) -> int:
    latest_ms = (room.live_at_ms or room.requested_at_ms) + room.limits.session_ms
    return latest_ms if room.until_ms is None else min(latest_ms, room.until_ms)


def _latest_reason(room: Room) -> str:
    if room.until_ms is None or _latest_ms(room) < room.until_ms:
        return "session_limit"
    return "booked_time_over" if room.booked is not None else "next_booking"


def _meter_dues_ms(room: Room, guest: Participant) -> list[int]:
    over_at_ms = _over_at_ms(room, guest, room.clock_ms)
    if over_at_ms is None:
        return []
    warnings = [over_at_ms - minute * 60_000 for minute in _unwarned(room, guest)]
    asking_ms = extension.due_ms(room, guest)
    return [over_at_ms, *warnings, *([] if asking_ms is None else [asking_ms])]


def _over_at_ms(room: Room, guest: Participant, now_ms: int) -> int | None:
    """When this guest's running time is over: funded no further, or the time is somebody else's."""
    known = (meter.funded_at_ms(room, guest, now_ms), room.until_ms if meter.running(room, guest) else None)
    return min((at_ms for at_ms in known if at_ms is not None), default=None)


def _unwarned(room: Room, guest: Participant) -> list[int]:
    # A session that lasts for less than a warning's time would only be warned at its first moment: no news.
    lasts_ms = [guest.hold.funded_ms] if guest.hold is not None else []
    if room.until_ms is not None and room.live_at_ms is not None:
        lasts_ms.append(room.until_ms - room.live_at_ms)
    longest_ms = min(lasts_ms, default=0)
    return [m for m in WARNINGS_MIN if m not in guest.warned_minutes and m * 60_000 < longest_ms]


def _spend(room: Room, proofs: Proofs | None, now_ms: int) -> Change:
    news: list[News] = []
    for guest in room.guests:
        over_at_ms = _over_at_ms(room, guest, now_ms)
        if over_at_ms is None:
            continue
        if over_at_ms <= now_ms and room.kind == "live_room":
            ended = departure.end_part(room, guest, "funding_over", proofs=proofs, now_ms=now_ms)
            room, news = ended.room, [*news, *ended.news]
            continue
        if over_at_ms <= now_ms:
            return departure.close(room, State.ENDED, "funding_over", proofs=proofs, now_ms=now_ms)
        reached = [m for m in _unwarned(room, guest) if over_at_ms - now_ms <= m * 60_000]
        if reached:
            guest = replace(guest, warned_minutes=(*guest.warned_minutes, *reached))
            news.append(MeterWarned(guest.no, over_at_ms - now_ms))
        room = room.with_participant(extension.tick(room, guest, now_ms=now_ms))
    return Change(replace(room, clock_ms=now_ms), tuple(news))
