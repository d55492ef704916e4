"""How presence ends: a socket that goes, a hub that is lost, a session that is over.

The rule is proof. A socket counts until its last received packet; only an orderly end counts a socket that
was heard a moment ago up to the end itself.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from rooms import meter
from rooms.ids import ConnectionId
from rooms.news import Change, MeterChanged, News, PresenceChanged, StateChanged
from rooms.presence import Span, union
from rooms.room import Participant, Room, State

Proofs = Mapping[ConnectionId, int]
"""When a socket was last heard, Unix milliseconds of Redis time, a lower bound."""


def drop(room: Room, proofs: Proofs, *, reason: str, now_ms: int) -> Change:
    """These sockets are gone from the room, each proven until its time in `proofs`.

    A session that was live and now lacks a side is paused; its grace begins.
    """
    now_ms = max(now_ms, room.clock_ms)
    people = tuple(_without(person, proofs, now_ms) for person in room.people)
    if people == room.people:
        return Change(room)
    dropped = replace(room, practitioner=people[0], guests=people[1:], clock_ms=now_ms)
    gone = tuple(
        PresenceChanged(before.user_id, False, reason)
        for before, after in zip(room.people, people, strict=True)
        if before.present and not after.present
    )
    return _pause(room, dropped, gone, now_ms=now_ms)


def close(room: Room, state: State, reason: str, *, proofs: Proofs | None = None, now_ms: int) -> Change:
    """The session is over: presence is frozen, nobody is in the room any more.

    A socket heard within `limits.unheard_ms` counts to the end; otherwise only to its last packet. One
    without a proof was heard when it entered.
    """
    now_ms = max(now_ms, room.clock_ms)
    heard = proofs or {}
    final = {
        anchor.connection: _orderly(
            max(heard.get(anchor.connection, 0), anchor.since_ms), room.limits.unheard_ms, now_ms
        )
        for person in room.people
        for anchor in person.anchors
    }
    people = tuple(_without(person, final, now_ms) for person in room.people)
    over = replace(
        room,
        state=state,
        practitioner=people[0],
        guests=people[1:],
        ended_at_ms=now_ms,
        paused_at_ms=None,
        end_reason=reason,
        clock_ms=now_ms,
    )
    meters = tuple(MeterChanged(guest.no) for guest in room.guests if room.live_at_ms is not None)
    return Change(over, (*meters, StateChanged()))


def _pause(before: Room, after: Room, news: tuple[News, ...], *, now_ms: int) -> Change:
    both = after.practitioner.present and any(guest.present for guest in after.guests)
    if after.state is State.LIVE and not both:
        paused = replace(after, state=State.PAUSED, paused_at_ms=now_ms)
        meters = tuple(MeterChanged(guest.no) for guest in after.guests)
        return Change(paused, (*news, StateChanged(), *meters))
    return Change(after, (*news, *_corrected(before, after, now_ms)))


def _corrected(before: Room, after: Room, now_ms: int) -> tuple[MeterChanged, ...]:
    """Meters that shrink: a socket was silent for longer than anybody knew, while another stood in for it."""
    return tuple(
        MeterChanged(now.no)
        for then, now in zip(before.guests, after.guests, strict=True)
        if meter.billed_ms(before, then, now_ms) != meter.billed_ms(after, now, now_ms)
    )


def _orderly(heard_ms: int, unheard_ms: int, now_ms: int) -> int:
    return now_ms if now_ms - heard_ms <= unheard_ms else heard_ms


def _without(person: Participant, proofs: Proofs, now_ms: int) -> Participant:
    gone = [anchor for anchor in person.anchors if anchor.connection in proofs]
    if not gone:
        return person
    # A proof outside the socket's own time in the room proves nothing: it is held to [since, now].
    proven = (
        Span(anchor.since_ms, min(max(proofs[anchor.connection], anchor.since_ms), now_ms)) for anchor in gone
    )
    kept = tuple(anchor for anchor in person.anchors if anchor.connection not in proofs)
    return replace(person, anchors=kept, spans=union((*person.spans, *proven)))
