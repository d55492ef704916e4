"""What the routes about sessions and people answer, in the words of the contract."""

from datetime import date
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from hub import wire
from hub.words import waived
from rooms.presence import Span
from store import records


class Me(Struct, frozen=True):
    """One's own profile."""

    id: str
    role: str
    name: str
    email: str
    country: str | None
    avatar_url: str | None
    phone: str | None
    adult: bool
    version: int
    language: Literal["en", "fr"] | None = None
    born_on: date | None = None


class Practitioners(Struct, frozen=True):
    """A page of the directory."""

    items: list[wire.Practitioner]
    cursor: str | None


class Sessions(Struct, frozen=True):
    """A page of one's sessions, the newest first."""

    items: list[wire.Session]
    cursor: str | None


class Interval(Struct, frozen=True):
    """A stretch of billed time."""

    from_ms: int
    to_ms: int


class Receipt(Struct, frozen=True):
    """What one guest is charged. Fee and earnings are for the practitioner alone.

    `promotion_minor` is what the platform pays the practitioner for the free time.
    """

    session_id: str
    practitioner: wire.Named
    guest: wire.Named
    currency: str
    intervals: list[Interval]
    billed_ms: int
    free_ms: int
    rate_minor_per_minute: int
    cap_minor: int
    subtotal_minor: int
    tip_minor: int
    total_minor: int
    refunded_minor: int
    waived: str | None
    started_at_ms: int | None
    ended_at_ms: int | None
    end_reason: str | None
    transcript_head: str | None
    fee_minor: int | UnsetType = UNSET
    practitioner_minor: int | UnsetType = UNSET
    promotion_minor: int | UnsetType = UNSET
    waived_reason: str | None = None
    """`waived` in words."""
    kind: Literal["time", "missed"] = "time"
    """What the price is for: time together, or a booking that the guest missed."""


class Said(Struct, frozen=True, kw_only=True, rename={"sender": "from"}):
    """A message of a transcript, with the fields that its place in the chain is computed from.

    `text` is null once its sender was erased; the chain verifies all the same. Of a message that was numbered
    and is gone there are `seq`, `digest` and `lost` alone.
    """

    seq: int
    id: str | UnsetType = UNSET
    at_ms: int | UnsetType = UNSET
    sender: wire.Speaker | UnsetType = UNSET
    text: str | UnsetType | None = UNSET
    participant_no: int | UnsetType = UNSET
    body_sha256: str | UnsetType = UNSET
    digest: str
    lost: Literal[True] | UnsetType = UNSET


class Transcript(Struct, frozen=True):
    """Everything that was delivered, in order, and the head of its chain."""

    session_id: str
    messages: list[Said]
    head: str


def session(record: records.SessionRecord) -> wire.Session:
    """A session on record, as its people see it."""
    return wire.Session(
        id=record.id,
        kind=record.kind,
        state=record.state,
        version=record.version,
        practitioner=wire.Named(record.practitioner_id, record.practitioner_name),
        guest=None if record.guest_id is None else wire.Named(record.guest_id, record.guest_name or ""),
        seats=record.seats,
        price=wire.Price(
            record.price_kind,
            record.cap_minor if record.price_kind == "flat" else record.rate_minor_per_minute,
            record.currency,
            record.free_ms // 1000,
            record.minimum_minor,
            record.cap_minor,
        ),
        requested_at_ms=record.requested_at_ms,
        live_at_ms=record.live_at_ms,
        ended_at_ms=record.ended_at_ms,
        end_reason=record.end_reason,
    )


def receipt(bill: records.Receipt, *, for_practitioner: bool) -> Receipt:
    """A bill on record; what the practitioner earns is theirs to see."""
    head = bill.transcript_head
    return Receipt(
        session_id=bill.session_id,
        practitioner=wire.Named(bill.practitioner_id, bill.practitioner_name),
        guest=wire.Named(bill.guest_id, bill.guest_name),
        currency=bill.currency,
        intervals=[_interval(span) for span in bill.intervals],
        billed_ms=bill.billed_ms,
        free_ms=bill.free_ms,
        rate_minor_per_minute=bill.rate_minor_per_minute,
        cap_minor=bill.cap_minor,
        subtotal_minor=bill.subtotal_minor,
        tip_minor=bill.tip_minor,
        total_minor=bill.total_minor,
        refunded_minor=bill.refunded_minor,
        waived=bill.waived,
        started_at_ms=bill.started_at_ms,
        ended_at_ms=bill.ended_at_ms,
        end_reason=bill.end_reason,
        transcript_head=None if head is None else head.hex(),
        fee_minor=bill.fee_minor if for_practitioner else UNSET,
        practitioner_minor=bill.practitioner_minor if for_practitioner else UNSET,
        promotion_minor=bill.promotion_minor if for_practitioner else UNSET,
        waived_reason=waived(bill.waived),
        kind=bill.kind,
    )


def _interval(span: Span) -> Interval:
    return Interval(span.from_ms, span.to_ms)


def final_meter(bill: records.Receipt) -> wire.Meter | None:
    """The meter as it stood at the end; None when the session was never live."""
    if bill.started_at_ms is None or bill.ended_at_ms is None:
        return None
    return wire.Meter(
        session_id=bill.session_id,
        guest_id=bill.guest_id,
        running=False,
        billed_ms=bill.billed_ms,
        amount_minor=bill.subtotal_minor,
        currency=bill.currency,
        rate_minor_per_minute=bill.rate_minor_per_minute,
        funded_ms=bill.billed_ms,
        as_of_ms=bill.ended_at_ms,
    )
