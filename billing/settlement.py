"""The settlement: what a guest's part of a session comes to, and everything that is to be done about it.

A pure function of the frozen room and its holds, so it gives the same answer whenever and wherever it runs.
"""

from itertools import accumulate, pairwise
from typing import Final, Literal

from msgspec import Struct

from billing import ledger, money, price, requests
from billing.ledger import Entry
from billing.payment import Operation, Outcome, State, Wanted
from rooms import meter
from rooms.ids import SessionId, UserId
from rooms.presence import Spans, total_ms
from rooms.room import OVER, Participant, Room

TRANSFER_DELAY_MS: Final = 24 * 3_600_000
"""How long a practitioner's part stays with the platform, should something be wrong with the session."""

HeldState = Literal["placed", "action_required", "none", "unknown"]


class Held(Struct, frozen=True):
    """One hold of the guest as it stands at Stripe.

    `none` holds no money (declined, canceled); `unknown` may, but nobody knows yet. `charge` is the charge
    that a capture will complete.
    """

    ordinal: int
    amount_minor: int
    stripe_id: str | None
    state: HeldState
    charge: str | None = None


Waived = Literal["below_minimum", "unfunded"]


class Settlement(Struct, frozen=True):
    """One guest's bill. Money in minor units of `currency`, times in milliseconds.

    `billed_ms` is before free time, of which `free_ms` was used. `subtotal_minor` is the price of the time;
    `total_minor` is what is charged, and the sum of the captures. `fee_minor` and `practitioner_minor` are
    its two parts. `waived` says why a price is not charged.
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
    currency: str
    waived: Waived | None
    ledger: tuple[Entry, ...]
    operations: tuple[Wanted, ...]


def held(operation: Operation) -> Held:
    """A hold's row as settlement sees it."""
    outcome = operation.outcome
    charge = outcome.charge if outcome is not None else None
    amount_minor = operation.amount_minor
    return Held(operation.ordinal, amount_minor, operation.stripe_id, _held_state(operation, outcome), charge)


def settle(
    room: Room,
    guest: Participant,
    *,
    held: tuple[Held, ...],
    destination: str | None = None,
    transfer_delay_ms: int = TRANSFER_DELAY_MS,
) -> Settlement:
    """The bill of one guest of a session that is over.

    Holds are captured in order as far as the price reaches, and the others cancelled. A hold that the room
    never counted pays for nothing: it is cancelled, or left to the payments worker while its fate is unknown.
    `destination` is the practitioner's connected account; without one nothing is transferred, and what they
    earned stays on the ledger. Raises ValueError while the session is not over, UnknownCurrency.
    """
    if room.state not in OVER or room.ended_at_ms is None:
        raise ValueError(f"A session that is {room.state} is not settled.")
    intervals = meter.intervals(room, guest, room.ended_at_ms)
    billed_ms = total_ms(intervals)
    subtotal_minor = price.amount_minor(room.terms, billed_ms)
    usable = _usable(guest, held)
    parts, waived = _charges(room, subtotal_minor, usable)
    total_minor = sum(parts)
    fee_minor = price.fee_minor(room.terms, total_minor)
    captured = tuple((hold, part) for hold, part in zip(usable, parts, strict=True) if part)
    operations = (
        *_captures(room, captured),
        *_cancels(room, held, kept={hold.ordinal for hold, _ in captured}),
        *_transfers(room, guest, captured, total_minor - fee_minor, destination, transfer_delay_ms),
    )
    return Settlement(
        session_id=room.id,
        participant_no=guest.no,
        user_id=guest.user_id,
        intervals=intervals,
        billed_ms=billed_ms,
        free_ms=min(billed_ms, room.terms.free_ms),
        rate_minor_per_minute=room.terms.rate_minor_per_minute,
        subtotal_minor=subtotal_minor,
        fee_minor=fee_minor,
        practitioner_minor=total_minor - fee_minor,
        total_minor=total_minor,
        currency=room.terms.currency,
        waived=waived,
        ledger=ledger.earned(total_minor, fee_minor, room.terms.currency),
        operations=operations,
    )


def _held_state(operation: Operation, outcome: Outcome | None) -> HeldState:
    if operation.state not in (State.SUCCEEDED, State.FAILED) or outcome is None:
        return "unknown"
    if outcome.status == "placed":
        return "placed"
    return "action_required" if outcome.status == "action_required" else "none"


def _usable(guest: Participant, held: tuple[Held, ...]) -> tuple[Held, ...]:
    counted = guest.hold.ordinals if guest.hold is not None else ()
    placed = (hold for hold in held if hold.state == "placed" and hold.ordinal in counted)
    return tuple(sorted(placed, key=lambda hold: hold.ordinal))


def _charges(room: Room, due_minor: int, usable: tuple[Held, ...]) -> tuple[list[int], Waived | None]:
    """How much of each usable hold is captured, and why nothing is, if something was due."""
    parts = [0] * len(usable)
    if due_minor == 0:
        return parts, None
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


def _captures(room: Room, captured: tuple[tuple[Held, int], ...]) -> list[Wanted]:
    return [
        requests.capture(hold.ordinal, part, room.terms.currency, intent=hold.stripe_id, at_ms=room.clock_ms)
        for hold, part in captured
        if hold.stripe_id is not None
    ]


def _cancels(room: Room, held: tuple[Held, ...], *, kept: set[int]) -> list[Wanted]:
    return [
        requests.cancel(
            hold.ordinal, hold.amount_minor, room.terms.currency, intent=hold.stripe_id, at_ms=room.clock_ms
        )
        for hold in held
        if hold.state in ("placed", "action_required")
        and hold.stripe_id is not None
        and hold.ordinal not in kept
    ]


def _transfers(
    room: Room,
    guest: Participant,
    captured: tuple[tuple[Held, int], ...],
    earned_minor: int,
    destination: str | None,
    delay_ms: int,
) -> list[Wanted]:
    """One transfer per captured charge: its share of what the practitioner earned."""
    if destination is None or earned_minor == 0:
        return []
    step = money.step_minor(room.terms.currency)
    ends = list(accumulate((part for _, part in captured), initial=0))
    # Shares are differences of one running share, so that they add up to what was earned, to the unit.
    running = [earned_minor // step * end // ends[-1] * step for end in ends]
    return [
        requests.transfer(
            room.id,
            guest.no,
            ordinal=hold.ordinal,
            amount_minor=after - before,
            currency=room.terms.currency,
            destination=destination,
            charge=hold.charge,
            at_ms=room.clock_ms + delay_ms,
        )
        for (hold, _), (before, after) in zip(captured, pairwise(running), strict=True)
        if hold.charge is not None and after > before
    ]
