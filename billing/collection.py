"""How a settled amount is collected: what brings it in at Stripe, and passes the practitioner's part on."""

from itertools import accumulate, pairwise
from typing import Literal

from msgspec import Struct

from billing import money, requests
from billing.payment import Operation, Outcome, Share, State, Wanted
from rooms.room import Participant, Room

HeldState = Literal["placed", "lapsed", "action_required", "none", "unknown"]


class Held(Struct, frozen=True):
    """One hold of the guest as it stands at Stripe.

    `none` holds no money (declined); `lapsed` did until Stripe let it go, so its part is charged anew;
    `unknown` may, but nobody knows yet. `charge` is the charge that a capture will complete, `customer` and
    `payment_method` are whose card it is.
    """

    ordinal: int
    amount_minor: int
    stripe_id: str | None
    state: HeldState
    charge: str | None = None
    customer: str = ""
    payment_method: str = ""


def held(operation: Operation) -> Held:
    """A hold's row as settlement sees it."""
    outcome = operation.outcome
    body = operation.params.body
    return Held(
        operation.ordinal,
        operation.amount_minor,
        operation.stripe_id,
        _held_state(operation, outcome),
        charge=outcome.charge if outcome is not None else None,
        customer=str(body.get("customer", "")),
        payment_method=str(body.get("payment_method", "")),
    )


def captures(room: Room, captured: tuple[tuple[Held, int], ...]) -> list[Wanted]:
    """Of the holds that stand, collect these amounts."""
    return [
        requests.capture(hold.ordinal, part, room.terms.currency, intent=hold.stripe_id, at_ms=room.clock_ms)
        for hold, part in captured
        if hold.stripe_id is not None and hold.state == "placed"
    ]


def charges_anew(
    room: Room, guest: Participant, captured: tuple[tuple[Held, int], ...], shares: list[Share | None]
) -> list[Wanted]:
    """Of the holds that lapsed, take these amounts from the card."""
    return [
        requests.charge(
            room.id,
            guest.no,
            ordinal=hold.ordinal,
            amount_minor=part,
            currency=room.terms.currency,
            customer=hold.customer,
            payment_method=hold.payment_method,
            share=share,
            at_ms=room.clock_ms,
        )
        for (hold, part), share in zip(captured, shares, strict=True)
        if hold.state == "lapsed"
    ]


def cancels(room: Room, held: tuple[Held, ...], *, kept: set[int]) -> list[Wanted]:
    """Release the holds of which nothing is kept."""
    return [
        requests.cancel(
            hold.ordinal, hold.amount_minor, room.terms.currency, intent=hold.stripe_id, at_ms=room.clock_ms
        )
        for hold in held
        if hold.state in ("placed", "action_required")
        and hold.stripe_id is not None
        and hold.ordinal not in kept
    ]


def shares(
    room: Room,
    captured: tuple[tuple[Held, int], ...],
    earned_minor: int,
    destination: str | None,
    delay_ms: int,
) -> list[Share | None]:
    """Of each captured amount, the part that the practitioner earned. Without a destination there is none."""
    if destination is None or earned_minor == 0:
        return [None] * len(captured)
    step = money.step_minor(room.terms.currency)
    ends = list(accumulate((part for _, part in captured), initial=0))
    # Shares are differences of one running share, so that they add up to what was earned, to the unit.
    running = [earned_minor // step * end // ends[-1] * step for end in ends]
    at_ms = room.clock_ms + delay_ms
    return [
        Share(after - before, destination, at_ms) if after > before else None
        for before, after in pairwise(running)
    ]


def transfers(
    room: Room, guest: Participant, captured: tuple[tuple[Held, int], ...], shares: list[Share | None]
) -> list[Wanted]:
    """One transfer per captured charge. That of a hold that lapsed is wanted once it is charged anew."""
    return [
        requests.transfer(
            room.id,
            guest.no,
            ordinal=hold.ordinal,
            amount_minor=share.amount_minor,
            currency=room.terms.currency,
            destination=share.destination,
            charge=hold.charge,
            at_ms=share.at_ms,
        )
        for (hold, _), share in zip(captured, shares, strict=True)
        if hold.charge is not None and share is not None and hold.state == "placed"
    ]


def promotions(
    room: Room, guest: Participant, amount_minor: int, destination: str | None, delay_ms: int
) -> list[Wanted]:
    """What the platform pays for free time. Without a destination it is wanted once there is one."""
    if amount_minor == 0 or destination is None:
        return []
    return [
        requests.promotion(
            room.id,
            guest.no,
            amount_minor=amount_minor,
            currency=room.terms.currency,
            destination=destination,
            at_ms=room.clock_ms + delay_ms,
        )
    ]


def _held_state(operation: Operation, outcome: Outcome | None) -> HeldState:
    if operation.state not in (State.SUCCEEDED, State.FAILED) or outcome is None:
        return "unknown"
    if outcome.status == "placed":
        return "placed"
    if outcome.status == "canceled" and operation.state is State.SUCCEEDED:
        return "lapsed"
    return "action_required" if outcome.status == "action_required" else "none"
