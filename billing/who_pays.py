"""Who pays when: one table of why a session is over, and what follows for the money.

Nothing else decides about it: settlement reads the table, and people read it in words at
`GET /v1/money/rules`.
"""

from enum import StrEnum
from typing import Final, Literal

from msgspec import Struct


class Cause(StrEnum):
    """Why a session is over, as far as money is concerned."""

    NOT_BEGUN = "not_begun"
    """Declined, not answered, cancelled, or never joined by both."""
    ENDED = "ended"
    """Ended by either side, by time, or by a line that did not come back."""
    PRACTITIONER_FAULT = "practitioner_fault"
    """It could not go on for a reason on the practitioner's side."""
    PRACTITIONER_CONDUCT = "practitioner_conduct"
    """A moderator ended it for what the practitioner did."""
    GUEST_CONDUCT = "guest_conduct"
    """A moderator ended it for what the guest did."""
    MINOR = "minor"
    """The guest is not an adult."""
    GUEST_NO_SHOW = "guest_no_show"
    """A booked session to which the guest did not come."""
    PRACTITIONER_NO_SHOW = "practitioner_no_show"
    """A booked session to which the practitioner did not come."""
    NOBODY_CAME = "nobody_came"
    """A booked session for which neither of the two was there, or not clearly one of them alone."""
    BOOKING_CANCELLED_EARLY = "booking_cancelled_early"
    """The guest cancelled while that was free."""
    BOOKING_CANCELLED_LATE = "booking_cancelled_late"
    """The guest cancelled when it was not free any more."""
    BOOKING_CANCELLED_BY_PRACTITIONER = "booking_cancelled_by_practitioner"
    BOOKING_NOT_HELD = "booking_not_held"
    """The money for a booked session could not be held in time."""
    BOOKING_CALLED_OFF = "booking_called_off"
    """Neither of the two cancelled: somebody is suspended, blocked or gone, or the platform was not there."""


class Row(Struct, frozen=True):
    """What follows from one cause.

    `time`: time that both were provably there. `away`: time in which one of them was not, the reconnect grace
    included. `small`: a price below the smallest charge. `free_time`: whether the guest's free seconds count
    as used. `tip`: whether one can be given. `earlier`: what becomes of the guest's earlier charges.
    `missed`: whether the fee is charged that was agreed for a booking that its guest misses.
    """

    time: Literal["billed", "not_billed"]
    free_time: Literal["used", "kept"]
    tip: Literal["open", "closed"]
    earlier: Literal["stands", "refunded"] = "stands"
    away: Literal["not_billed"] = "not_billed"
    missed: Literal["free", "fee"] = "free"
    small: Literal["waived"] = "waived"


TABLE: Final[dict[Cause, Row]] = {
    Cause.NOT_BEGUN: Row("not_billed", free_time="kept", tip="closed"),
    Cause.ENDED: Row("billed", free_time="used", tip="open"),
    Cause.PRACTITIONER_FAULT: Row("not_billed", free_time="kept", tip="open"),
    Cause.PRACTITIONER_CONDUCT: Row("not_billed", free_time="kept", tip="closed"),
    Cause.GUEST_CONDUCT: Row("billed", free_time="used", tip="closed"),
    Cause.MINOR: Row("not_billed", free_time="kept", tip="closed", earlier="refunded"),
    Cause.GUEST_NO_SHOW: Row("not_billed", free_time="kept", tip="closed", missed="fee"),
    Cause.PRACTITIONER_NO_SHOW: Row("not_billed", free_time="kept", tip="closed"),
    Cause.NOBODY_CAME: Row("not_billed", free_time="kept", tip="closed"),
    Cause.BOOKING_CANCELLED_EARLY: Row("not_billed", free_time="kept", tip="closed"),
    Cause.BOOKING_CANCELLED_LATE: Row("not_billed", free_time="kept", tip="closed", missed="fee"),
    Cause.BOOKING_CANCELLED_BY_PRACTITIONER: Row("not_billed", free_time="kept", tip="closed"),
    Cause.BOOKING_NOT_HELD: Row("not_billed", free_time="kept", tip="closed"),
    Cause.BOOKING_CALLED_OFF: Row("not_billed", free_time="kept", tip="closed"),
}

_CAUSES: Final[dict[str, Cause]] = {
    "declined": Cause.NOT_BEGUN,
    "ring_timeout": Cause.NOT_BEGUN,
    "hold_timeout": Cause.NOT_BEGUN,
    "card_declined": Cause.NOT_BEGUN,
    "cancelled_by_guest": Cause.NOT_BEGUN,
    "not_joined": Cause.NOT_BEGUN,
    "denied": Cause.NOT_BEGUN,
    "knock_abandoned": Cause.NOT_BEGUN,
    "not_admitted": Cause.NOT_BEGUN,
    "removed": Cause.ENDED,
    "ended_by_guest": Cause.ENDED,
    "ended_by_practitioner": Cause.ENDED,
    "line_lost": Cause.ENDED,
    "funding_over": Cause.ENDED,
    "session_limit": Cause.ENDED,
    "next_booking": Cause.ENDED,
    "booked_time_over": Cause.ENDED,
    "ended_by_moderator": Cause.ENDED,
    "practitioner_fault": Cause.PRACTITIONER_FAULT,
    "practitioner_conduct": Cause.PRACTITIONER_CONDUCT,
    "guest_conduct": Cause.GUEST_CONDUCT,
    "minor": Cause.MINOR,
    "guest_no_show": Cause.GUEST_NO_SHOW,
    "practitioner_no_show": Cause.PRACTITIONER_NO_SHOW,
    "nobody_came": Cause.NOBODY_CAME,
    "booking_cancelled_early": Cause.BOOKING_CANCELLED_EARLY,
    "booking_cancelled_late": Cause.BOOKING_CANCELLED_LATE,
    "booking_cancelled_by_practitioner": Cause.BOOKING_CANCELLED_BY_PRACTITIONER,
    "booking_not_held": Cause.BOOKING_NOT_HELD,
    "booking_called_off": Cause.BOOKING_CALLED_OFF,
    "not_opened": Cause.BOOKING_CALLED_OFF,
}


def cause(end_reason: str | None) -> Cause:
    """Why a session with this `end_reason` is over. A reason that is not known waives nothing."""
    return _CAUSES.get(end_reason or "", Cause.ENDED)


def row(end_reason: str | None) -> Row:
    """What follows from it."""
    return TABLE[cause(end_reason)]
