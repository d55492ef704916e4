"""The room as it is stored: who takes part, what was agreed, and the proof of who was there.

A room is a value. Rules take one and give back a changed copy; the store alone decides whose copy wins.
"""

from enum import StrEnum
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from rooms.ids import ConnectionId, HubId, SessionId, UserId
from rooms.presence import Span, Spans, union

Kind = Literal["instant", "booked", "live_room"]


class State(StrEnum):
    """Where a session stands. `settled` follows `ended` once its record and charge are committed."""

    REQUESTED = "requested"
    DECLINED = "declined"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    WAITING = "waiting"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"
    SETTLED = "settled"


OPEN = frozenset({State.WAITING, State.LIVE, State.PAUSED})
"""States in which people may be in the room and chat."""

OVER = frozenset({State.DECLINED, State.EXPIRED, State.CANCELLED, State.ENDED, State.SETTLED})
"""States that no one leaves again, but for `ended`, which becomes `settled`."""


class Terms(Struct, frozen=True):
    """What was agreed when the session was requested. Carried here, computed with in `billing` alone.

    Money in minor units of `currency`; `fee_bps` is the platform's part in hundredths of a percent;
    `free_ms` is time the guest does not pay; `cap_minor` is the most the guest can be charged.
    """

    kind: Literal["free", "flat", "per_minute"]
    currency: str
    rate_minor_per_minute: int
    free_ms: int
    fee_bps: int
    minimum_minor: int
    cap_minor: int
    hold_minutes: int = 10
    """How much paid time one hold covers."""
    missed_minor: int = 0
    """What a booking's guest agreed to pay for cancelling late, or for not coming."""
    flat_after_ms: int = 0
    """How long the guest must have been in together with the host before a flat price is due."""


class Booked(Struct, frozen=True):
    """The times of a booking, fixed when its room is made.

    `free_until_ms`: until then its guest cancels free of charge. `held_by_ms`: by then the money is held.
    `opens_at_ms`: its lobby opens. `missed_at_ms`: whoever has not come by then does not come.
    """

    free_until_ms: int
    held_by_ms: int
    opens_at_ms: int
    starts_at_ms: int
    missed_at_ms: int


class Limits(Struct, frozen=True):
    """The times that bind one session, fixed when it was requested, so that a rule needs no settings."""

    hold_ms: int = 30_000
    confirm_ms: int = 300_000
    ring_ms: int = 30_000
    join_ms: int = 60_000
    grace_ms: int = 120_000
    session_ms: int = 8 * 3_600_000
    unheard_ms: int = 10_000
    """A socket heard within this (ping interval plus time-out) counts as present to an orderly end."""
    extend_percent: int = 80
    """The part of the funded time after which the next hold is placed."""


class Anchor(Struct, frozen=True):
    """An open socket of a participant in the room: on which hub, and since when."""

    connection: ConnectionId
    hub: HubId
    since_ms: int


HoldStatus = Literal["pending", "action_required", "placed", "declined"]

MutedBy = Literal["host", "moderator"]
Side = Literal["guest", "practitioner"]
"""On which side of a session somebody takes part."""

Lobby = Literal["waiting", "admitted", "refused"]
"""Where a guest of a live room stands. `refused` is out, for whatever reason; in a session of two all are
admitted.
"""
History = Literal["all", "from_entry", "none"]
"""What of a live room's chat somebody who comes later is shown."""


class Further(Struct, frozen=True):
    """What the room knows of the holds after the first.

    `possible`: the cap leaves room for another, and none was declined. `asked`: the ordinal that is being
    placed, since when, and for how many minutes if the guest said so. `tried`: the highest ordinal ever asked
    for. `requests`: the guest's last wishes, each by the name they gave it, and its ordinal.
    """

    possible: bool = False
    tried: int = 1
    asked: int | None = None
    asked_at_ms: int = 0
    minutes: int = 0
    requests: tuple[tuple[str, int], ...] = ()


class Hold(Struct, frozen=True):
    """The guest's funding as the room knows it: how far the time is paid for, never an amount."""

    status: HoldStatus
    ordinals: tuple[int, ...] = ()
    """Which holds were counted into `funded_ms`; a repeated notice of one changes nothing."""
    funded_ms: int = 0
    url: str | None = None
    further: Further = Further()


RecordingState = Literal["starting", "recording", "stopped", "failed"]


class Recording(Struct, frozen=True):
    """The latest recording of the session as its people see it: how it stands, who began it, since when.

    `id` is its row's on record; a later recording has a higher one.
    """

    id: str
    state: RecordingState
    by: UserId
    at_ms: int

    @property
    def over(self) -> bool:
        """Whether nothing is recorded any more."""
        return self.state in ("stopped", "failed")


class Participant(Struct, frozen=True, omit_defaults=True):
    """One person's part in the session. `no` is opaque and small: 0 the practitioner, guests from 1.

    In a live room each guest's part has a life of its own: `knock_id` names the knock that it began with,
    `holds_from` is the first hold that counts for it, `from_seq` what of the chat came before it. While its
    person has no line in lobby or room, `away_since_ms` says since when. A part that was entered and is over
    has `ended_at_ms`; `end_reason` says why, of one that was never entered too.
    """

    no: int
    user_id: UserId
    name: str
    role: Side
    anchors: tuple[Anchor, ...] = ()
    spans: Spans = ()
    """Closed, proven presence."""
    hold: Hold | None = None
    muted: bool = False
    warned_minutes: tuple[int, ...] = ()
    """Funding warnings already given, in minutes that were left."""
    muted_until_ms: int | None = None
    """When a mute is over by itself; None while it lasts until somebody takes it back."""
    muted_by: MutedBy | None = None
    lobby: Lobby = "admitted"
    knock_id: str | None = None
    knocked_at_ms: int = 0
    holds_from: int = 1
    cap_minor: int | None = None
    """The most that this guest can be charged, where it is not the terms' own."""
    entered_at_ms: int | None = None
    from_seq: int = 0
    away_since_ms: int | None = None
    ended_at_ms: int | None = None
    end_reason: str | None = None
    billed_until_ms: int | None = None
    """Of a part that is over in a room that goes on: until when its host had proven to be there."""

    @property
    def present(self) -> bool:
        """Whether any socket of theirs is in the room. One that waits in the lobby is not."""
        return bool(self.anchors) and self.lobby == "admitted"

    def is_in(self, connection: ConnectionId) -> bool:
        """Whether this socket of theirs is in the room, and proves that they are."""
        return self.lobby == "admitted" and any(anchor.connection == connection for anchor in self.anchors)

    @property
    def ready(self) -> bool:
        """Whether they wait in the lobby, with their hold placed if the room has a price."""
        return self.lobby == "waiting" and (self.hold is None or self.hold.status == "placed")

    def unmuted(self) -> "Participant":
        """The same person, free to speak."""
        return replace(self, muted=False, muted_until_ms=None, muted_by=None)

    def presence(self, now_ms: int) -> Spans:
        """All presence up to now: what is proven and closed, and what the open sockets stand for."""
        if self.lobby != "admitted":
            return self.spans
        return union((*self.spans, *(Span(anchor.since_ms, now_ms) for anchor in self.anchors)))


class Room(Struct, frozen=True):
    """A session and everything its rules need."""

    id: SessionId
    kind: Kind
    state: State
    practitioner: Participant
    guests: tuple[Participant, ...]
    seats: int
    terms: Terms
    limits: Limits
    requested_at_ms: int
    clock_ms: int
    """The latest time any rule has seen: a room's time never runs backwards."""
    version: int = 0
    """Counts changes; the store raises it with each commit."""
    offered_at_ms: int | None = None
    accepted_at_ms: int | None = None
    live_at_ms: int | None = None
    paused_at_ms: int | None = None
    ended_at_ms: int | None = None
    end_reason: str | None = None
    history: History = "all"
    starts_at_ms: int | None = None
    """Of a live room: when its host means to begin, if that was not at once."""
    booked: Booked | None = None
    until_ms: int | None = None
    """When the session is over at the latest, because somebody's time belongs to others from then on."""
    recording: Recording | None = None

    @property
    def together(self) -> bool:
        """Whether those are in the room without whom it does not go on: the host, and with them one guest.
        A live room goes on for its host alone; nobody is billed for that.
        """
        others = self.kind == "live_room" or any(guest.present for guest in self.guests)
        return self.practitioner.present and others

    def of(self, guest: Participant) -> "Room":
        """The session as it is for one guest: over when their part is, with their own cap."""
        if self.kind != "live_room":
            return self
        cap_minor = self.terms.cap_minor if guest.cap_minor is None else guest.cap_minor
        own = replace(self, terms=replace(self.terms, cap_minor=cap_minor))
        if guest.lobby != "refused":
            return own
        ended_at_ms = guest.ended_at_ms or self.ended_at_ms
        state = self.state if ended_at_ms is None else State.ENDED
        reason = guest.end_reason or self.end_reason
        clock_ms = self.clock_ms if ended_at_ms is None else ended_at_ms
        return replace(own, state=state, ended_at_ms=ended_at_ms, end_reason=reason, clock_ms=clock_ms)

    @property
    def holds_people(self) -> bool:
        """Whether its people can be in no other session. A booking leaves them free until its lobby opens."""
        return self.state not in OVER and not (self.booked is not None and self.state is State.REQUESTED)

    def holds(self, person: Participant) -> bool:
        """Whether this one can be in no other session. Who is out of a live room may, and the host of one
        that begins later, until they come in.
        """
        to_come = self.state is State.WAITING and self.starts_at_ms is not None
        return self.holds_people and person.lobby != "refused" and not (to_come and person.no == 0)

    @property
    def people(self) -> tuple[Participant, ...]:
        """Everyone who takes part, the practitioner first."""
        return (self.practitioner, *self.guests)

    def participant(self, user_id: UserId) -> Participant | None:
        """The part of this person, if they have one."""
        if self.practitioner.user_id == user_id:
            return self.practitioner
        return next((guest for guest in self.guests if guest.user_id == user_id), None)

    def with_participant(self, changed: Participant) -> "Room":
        """The room with one person's part replaced."""
        if changed.no == self.practitioner.no:
            return replace(self, practitioner=changed)
        guests = tuple(changed if guest.no == changed.no else guest for guest in self.guests)
        return replace(self, guests=guests)
