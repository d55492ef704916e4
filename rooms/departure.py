"""How presence ends: a socket that goes, a hub that is lost, a session that is over.

The rule is proof. A socket counts until its last received packet; only an orderly end counts a socket that
was heard a moment ago up to the end itself.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from rooms import meter
from rooms.ids import ConnectionId
from rooms.news import (
    Change,
    LobbyChanged,
    LobbyTold,
    MeterChanged,
    News,
    PartChanged,
    PresenceChanged,
    StateChanged,
)
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
    people = tuple(_last(_without(person, final, now_ms)) for person in room.people)
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
    metered = [guest for guest in room.guests if guest.lobby == "admitted" and room.live_at_ms is not None]
    return Change(over, (*(MeterChanged(guest.no) for guest in metered), StateChanged()))


def end_part(
    room: Room, guest: Participant, reason: str, *, proofs: Proofs | None = None, now_ms: int
) -> Change:
    """One guest's part of a live room is over; the room goes on. Who was never in leaves nothing to bill.

    Their presence is closed as by `close`.
    """
    now_ms = max(now_ms, room.clock_ms)
    heard = proofs or {}
    final = {
        anchor.connection: _orderly(
            max(heard.get(anchor.connection, 0), anchor.since_ms), room.limits.unheard_ms, now_ms
        )
        for anchor in guest.anchors
    }
    out = replace(
        _without(guest, final, now_ms),
        lobby="refused",
        away_since_ms=None,
        ended_at_ms=None if guest.entered_at_ms is None else now_ms,
        end_reason=reason,
        billed_until_ms=None if guest.entered_at_ms is None else _proven_ms(room, heard, now_ms),
    )
    news: list[News] = [PartChanged(guest.no)]
    if guest.present:
        news.append(PresenceChanged(guest.user_id, False, "meter" if reason == "funding_over" else reason))
    if guest.lobby == "admitted" and room.live_at_ms is not None:
        news.append(MeterChanged(guest.no))
    news.append(LobbyTold(guest.no))
    if guest.ready:
        news.append(LobbyChanged())
    return Change(replace(room.with_participant(out), clock_ms=now_ms), tuple(news))


def _proven_ms(room: Room, heard: Proofs, now_ms: int) -> int:
    """Until when the host is proven to be there: a line that was silent for long may be gone already."""
    lines = [
        _orderly(max(heard[anchor.connection], anchor.since_ms), room.limits.unheard_ms, now_ms)
        for anchor in room.practitioner.anchors
        if anchor.connection in heard
    ]
    return max(lines, default=now_ms)


def _last(person: Participant) -> Participant:
    """A part as the room's end leaves it: who waits in the lobby will not be let in any more."""
    if person.lobby != "waiting":
        return person
    reason = "not_admitted" if person.entered_at_ms is None else None
    return replace(person, lobby="refused", away_since_ms=None, end_reason=reason)


def _pause(before: Room, after: Room, news: tuple[News, ...], *, now_ms: int) -> Change:
    if after.state is State.LIVE and not after.together:
        paused = replace(after, state=State.PAUSED, paused_at_ms=now_ms)
        meters = tuple(MeterChanged(guest.no) for guest in after.guests if guest.lobby == "admitted")
        return Change(paused, (*news, StateChanged(), *meters))
    return Change(after, (*news, *_corrected(before, after, now_ms)))


def _corrected(before: Room, after: Room, now_ms: int) -> tuple[MeterChanged, ...]:
    """Meters that shrink: a socket was silent for longer than anybody knew, while another stood in for it.
    In a live room also those that stop while the others run on.
    """
    return tuple(
        MeterChanged(now.no)
        for then, now in zip(before.guests, after.guests, strict=True)
        if meter.running(before, then) != meter.running(after, now)
        or (
            (then is not now or before.practitioner is not after.practitioner)
            and meter.billed_ms(before, then, now_ms) != meter.billed_ms(after, now, now_ms)
        )
    )


def _orderly(heard_ms: int, unheard_ms: int, now_ms: int) -> int:
    return now_ms if now_ms - heard_ms <= unheard_ms else heard_ms


def _without(person: Participant, proofs: Proofs, now_ms: int) -> Participant:
    gone = [anchor for anchor in person.anchors if anchor.connection in proofs]
    if not gone:
        return person
    kept = tuple(anchor for anchor in person.anchors if anchor.connection not in proofs)
    if person.lobby != "admitted":
        # A line in the lobby is nobody's presence in the room.
        return replace(person, anchors=kept, away_since_ms=None if kept else now_ms)
    # A proof outside the socket's own time in the room proves nothing: it is held to [since, now].
    proven = (
        Span(anchor.since_ms, min(max(proofs[anchor.connection], anchor.since_ms), now_ms)) for anchor in gone
    )
    left = replace(person, anchors=kept, spans=union((*person.spans, *proven)))
    # Only a guest of a live room has a grace of their own; of two, whoever is away, the session pauses.
    return left if person.entered_at_ms is None else replace(left, away_since_ms=None if kept else now_ms)
