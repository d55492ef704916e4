"""The settlement: what a guest's part of a session comes to, and everything that is to be done about it.

A pure function of the frozen room and its holds, so it gives the same answer whenever and wherever it runs.
"""

from itertools import accumulate
from typing import Final, Literal

from msgspec import Struct

from billing import collection, ledger, money, price, promotion, who_pays
from billing.collection import Held, held
from billing.ledger import Entry
from billing.payment import Wanted
from billing.who_pays import Cause
from rooms import meter
from rooms.ids import SessionId, UserId
from rooms.presence import Spans, total_ms
from rooms.room import OVER, Participant, Room

TRANSFER_DELAY_MS: Final = 24 * 3_600_000
"""How long a practitioner's part stays with the platform, should something be wrong with the session."""

__all__ = ["TRANSFER_DELAY_MS", "Held", "Settlement", "held", "settle"]

Waived = Literal["below_minimum", "unfunded"] | Cause


class Settlement(Struct, frozen=True):
    """One guest's bill. Money in minor units of `currency`, times in milliseconds.

    `billed_ms` is before free time, of which `free_ms` was used. `subtotal_minor` is the price of the time;
    `total_minor` is what is charged, and the sum of the captures. `fee_minor` and `practitioner_minor` are
    its two parts. `promotion_minor` is what the platform pays the practitioner for the free time, whatever
    becomes of the price. `waived` says why a price is not charged. Of `kind` missed, the price is the fee
    that was agreed for a booking that its guest misses.
    """

    session_id: SessionId
    participant_no: int
    user_id: UserId
    intervals: Spans
    billed_ms: int
    free_ms: int
    rate_minor_per_minute: int
    subtotal_minor: int
    fee_minor: int
    practitioner_minor: int
    total_minor: int
    promotion_minor: int
    currency: str
    waived: Waived | None
    ledger: tuple[Entry, ...]
    operations: tuple[Wanted, ...]
    kind: Literal["time", "missed"] = "time"


def settle(
    room: Room,
    guest: Participant,
    *,
    held: tuple[Held, ...],
    destination: str | None = None,
    transfer_delay_ms: int = TRANSFER_DELAY_MS,
) -> Settlement:
    """The bill of one guest of a session that is over.

    Holds are captured in order as far as the price reaches, and the others cancelled. A hold that lapsed is
    charged anew instead. A hold that the room never counted pays for nothing: it is cancelled, or left to the
    payments worker while its fate is unknown. `who_pays` says for which ends nothing is charged.
    `destination` is the practitioner's connected account; without one nothing is transferred, and what they
    earned stays on the ledger. Raises ValueError while the session is not over, UnknownCurrency.
    """
    room = room.of(guest)
    if room.state not in OVER or room.ended_at_ms is None:
        raise ValueError(f"A session that is {room.state} is not settled.")
    intervals = meter.intervals(room, guest, room.ended_at_ms)
    billed_ms = total_ms(intervals)
    free_ms = _free_ms(room, billed_ms)
    missed = is_missed(room)
    subtotal_minor = room.terms.missed_minor if missed else price.amount_minor(room.terms, billed_ms)
    promotion_minor = promotion.promotion_minor(room.terms, billed_ms, free_ms)
    usable = _usable(guest, held)
    parts, waived = _charges(room, subtotal_minor, usable)
    total_minor = sum(parts)
    fee_minor = price.fee_minor(room.terms, total_minor)
    captured = tuple((hold, part) for hold, part in zip(usable, parts, strict=True) if part)
    shares = collection.shares(room, captured, total_minor - fee_minor, destination, transfer_delay_ms)
    operations = (
        *collection.captures(room, captured),
        *collection.charges_anew(room, guest, captured, shares),
        *collection.cancels(room, held, kept={hold.ordinal for hold, _ in captured}),
        *collection.transfers(room, guest, captured, shares),
        *collection.promotions(room, guest, promotion_minor, destination, transfer_delay_ms),
    )
    return Settlement(
        session_id=room.id,
        participant_no=guest.no,
        user_id=guest.user_id,
        intervals=intervals,
        billed_ms=billed_ms,
        free_ms=free_ms,
        rate_minor_per_minute=room.terms.rate_minor_per_minute,
        subtotal_minor=subtotal_minor,
        fee_minor=fee_minor,
        practitioner_minor=total_minor - fee_minor,
        total_minor=total_minor,
        promotion_minor=promotion_minor,
        currency=room.terms.currency,
        waived=waived,
        ledger=ledger.earned(total_minor, fee_minor, room.terms.currency),
        operations=operations,
        kind="missed" if missed else "time",
    )


def is_missed(room: Room) -> bool:
    """Whether the fee is due that was agreed for a booking that its guest misses. Then there is no time."""
    agreed = room.booked is not None and room.live_at_ms is None and room.terms.missed_minor > 0
    return agreed and who_pays.row(room.end_reason).missed == "fee"


def _free_ms(room: Room, billed_ms: int) -> int:
    """The free time that is used up by this session."""
    kept = who_pays.row(room.end_reason).free_time == "kept"
    return 0 if kept else min(billed_ms, room.terms.free_ms)


def _usable(guest: Participant, held: tuple[Held, ...]) -> tuple[Held, ...]:
    counted = guest.hold.ordinals if guest.hold is not None else ()
    placed = (hold for hold in held if hold.state in ("placed", "lapsed") and hold.ordinal in counted)
    return tuple(sorted(placed, key=lambda hold: hold.ordinal))


def _charges(room: Room, due_minor: int, usable: tuple[Held, ...]) -> tuple[list[int], Waived | None]:
    """How much of each usable hold is captured, and why nothing is, if something was due."""
    parts = [0] * len(usable)
    if due_minor == 0:
        return parts, None
    if who_pays.row(room.end_reason).time == "not_billed" and not is_missed(room):
        return parts, who_pays.cause(room.end_reason)
    if not usable:
        return parts, "unfunded"
    if due_minor < price.least_minor(room.terms):
        return parts, "below_minimum"
    parts = _split(due_minor, [hold.amount_minor for hold in usable], room.terms.currency)
    return parts, None if any(parts) else "below_minimum"


def _split(due_minor: int, amounts_minor: list[int], currency: str) -> list[int]:
    """Fill the holds in order. Nothing is captured below the currency's minimum.

    A remainder below it borrows from the hold before; where that would leave too little there, it is
    forgiven. Captures can be smaller than the sum due, never larger.
    """
    least_minor = money.minimum_charge_minor(currency)
    starts = list(accumulate(amounts_minor, initial=0))
    parts = [
        max(0, min(amount, due_minor - start)) for start, amount in zip(starts, amounts_minor, strict=False)
    ]
    last = max(i for i, part in enumerate(parts) if part)
    short_minor = least_minor - parts[last]
    if short_minor > 0:
        if last > 0 and parts[last - 1] - short_minor >= least_minor:
            parts[last - 1] -= short_minor
            parts[last] = least_minor
        else:
            parts[last] = 0
    return parts
