"""The records that the stores keep, as values. Times are Unix milliseconds, money minor units."""

from datetime import date
from typing import Any, Literal

from msgspec import Struct

from rooms.ids import Role, SessionId, UserId
from rooms.presence import Span
from rooms.room import Kind, State


class StoredMessage(Struct, frozen=True):
    """A delivered message as it is stored. `body` is ciphertext under the sender's data key.

    Of a lost message only its place remains: `id` and `client_id` are empty and `participant_no` is -1.
    """

    seq: int
    id: str
    participant_no: int
    at_ms: int
    client_id: str
    body: bytes
    removed: bool = False
    """Not shown any more; `body` is there only until the record is made."""
    body_sha256: bytes = b""
    """Of a removed message whose body is gone: what the chain covers of it."""

    @property
    def lost(self) -> bool:
        """Whether nothing but the place in the sequence is left."""
        return not self.id


def lost_message(seq: int, *, at_ms: int = 0) -> StoredMessage:
    """What stands in a transcript for a message that is gone."""
    return StoredMessage(seq, "", -1, at_ms, "", b"")


class Person(Struct, frozen=True):
    """Somebody's profile."""

    id: UserId
    role: Role
    name: str
    email: str
    country: str | None
    phone: str | None
    adult: bool
    """What the person attested; `rooms.age` decides with the date of birth."""
    policy_accepted_ms: int | None
    version: int
    language: Literal["en", "fr"] | None = None
    born_on: date | None = None


class Card(Struct, frozen=True):
    """A guest's card as Stripe names it; the number is never here."""

    person_id: UserId
    stripe_customer: str
    stripe_payment_method: str
    brand: str
    last4: str
    fingerprint: str
    saved_at_ms: int


class OwnCard(Struct, frozen=True):
    """As much of a card as its owner needs to know it by."""

    brand: str
    last4: str
    saved_at_ms: int


class Practice(Struct, frozen=True):
    """What a practitioner offers, and where their earnings go."""

    practitioner_id: UserId
    name: str
    headline: str
    topics: list[str]
    rate_minor_per_minute: int
    currency: str
    free_s: int
    accepts_instant: bool
    stripe_account: str | None
    transfers_active: bool
    verified_at_ms: int | None
    rating: float | None
    rating_count: int


class Listing(Struct, frozen=True):
    """A verified practitioner as everyone signed in may see them."""

    id: UserId
    name: str
    headline: str
    topics: list[str]
    rate_minor_per_minute: int
    currency: str
    free_s: int
    accepts_instant: bool
    rating: float | None
    rating_count: int


class SessionRecord(Struct, frozen=True):
    """A session as Postgres knows it: as requested, and as it ended. In between, Redis knows better."""

    id: SessionId
    kind: Kind
    state: State
    version: int
    practitioner_id: UserId
    practitioner_name: str
    guest_id: UserId | None
    guest_name: str | None
    seats: int
    price_kind: Literal["free", "flat", "per_minute"]
    currency: str
    rate_minor_per_minute: int
    free_ms: int
    minimum_minor: int
    cap_minor: int
    requested_at_ms: int
    live_at_ms: int | None
    ended_at_ms: int | None
    end_reason: str | None
    transcript_head: bytes | None

    @property
    def complete(self) -> bool:
        """Whether the record is final; until then the live store knows better."""
        return self.transcript_head is not None


class TranscriptRow(Struct, frozen=True):
    """A message as a party to the session reads it, still sealed, with what it takes to verify the chain."""

    seq: int
    id: str | None
    participant_no: int | None
    at_ms: int | None
    body: bytes | None
    body_sha256: bytes | None
    digest: bytes | None
    lost: bool
    user_id: UserId | None
    name: str | None
    role: Literal["guest", "practitioner"] | None


class Receipt(Struct, frozen=True):
    """What one guest is charged for one session, and the time it is for."""

    session_id: SessionId
    participant_no: int
    practitioner_id: UserId
    practitioner_name: str
    guest_id: UserId
    guest_name: str
    currency: str
    intervals: tuple[Span, ...]
    billed_ms: int
    free_ms: int
    rate_minor_per_minute: int
    cap_minor: int
    subtotal_minor: int
    fee_minor: int
    practitioner_minor: int
    promotion_minor: int
    tip_minor: int
    total_minor: int
    refunded_minor: int
    waived: str | None
    started_at_ms: int | None
    ended_at_ms: int | None
    end_reason: str | None
    transcript_head: bytes | None
    kind: Literal["time", "missed"] = "time"


class Tipping(Struct, frozen=True):
    """A guest's part of a session, as far as a tip is concerned. `complete`: it is settled."""

    session_id: SessionId
    participant_no: int
    practitioner_id: UserId
    currency: str
    live_at_ms: int | None
    ended_at_ms: int | None
    end_reason: str | None
    whole_end_reason: str | None
    """Why the session is over, where the guest's own part of it was over before."""
    complete: bool


class Checkpoint(Struct, frozen=True):
    """A room as its hub last saw it; `room` is the stored blob, `head_seq` the last message it knew of."""

    session_id: SessionId
    version: int
    epoch: str
    at_ms: int
    head_seq: int
    room: bytes


class Epoch(Struct, frozen=True):
    """Which life of Redis the rooms belong to, and whether they have been rebuilt in it."""

    epoch: str
    state: Literal["rebuilding", "ready"]
    changed_at_ms: int


class InboxEvent(Struct, frozen=True):
    """A vendor's verified call, kept until it has been applied."""

    event_id: str
    source: str
    type: str
    object_id: str | None
    payload: dict[str, Any]
    received_at_ms: int
    attempts: int
