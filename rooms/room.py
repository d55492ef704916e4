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


class Participant(Struct, frozen=True):
    """One person's part in the session. `no` is opaque and small: 0 the practitioner, guests from 1."""

    no: int
    user_id: UserId
    name: str
    role: Literal["guest", "practitioner"]
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

    @property
    def present(self) -> bool:
        """Whether any socket of theirs is in the room."""
        return bool(self.anchors)

    def unmuted(self) -> "Participant":
        """The same person, free to speak."""
        return replace(self, muted=False, muted_until_ms=None, muted_by=None)

    def presence(self, now_ms: int) -> Spans:
        """All presence up to now: what is proven and closed, and what the open sockets stand for."""
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

    @property
    def people(self) -> tuple[Participant, ...]:
        """Everyone who takes part, the practitioner first."""
        return (self.practitioner, *self.guests)

    def participant(self, user_id: UserId) -> Participant | None:
        """The part of this person, if they have one."""
        return next((person for person in self.people if person.user_id == user_id), None)

    def with_participant(self, changed: Participant) -> "Room":
        """The room with one person's part replaced."""
        if changed.no == self.practitioner.no:
            return replace(self, practitioner=changed)
        guests = tuple(changed if guest.no == changed.no else guest for guest in self.guests)
        return replace(self, guests=guests)
