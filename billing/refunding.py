"""What goes back of a charge, and what that means for the practitioner's part of it. Pure.

Each charge stands for itself: the guest paid so much, the practitioner earned a part of it, some of both was
deducted, and some of the part was transferred. A transfer sends what is due and not yet there; a reversal
brings back what is there and not due any more. Everything follows from these sums, whatever came first.
"""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final, Literal

from msgspec import Struct

from billing import money
from billing.payment import COLLECTS, Kind, Operation, State
from billing.recovery import NO_EFFECT

REPLACED: Final = "replaced"
"""The code of an operation that was never sent, because another one took its place."""
NOT_DUE: Final = "not_due"
"""The code of an operation that was never sent, because nothing is owed any more."""


class TooMuch(ValueError):
    """More would go back than was charged and is still there."""


class Deduction(Struct, frozen=True):
    """What is deducted from one charge: from the guest's payment, and from the practitioner's part of it.

    `netting` keeps earnings against a debt, and gives the guest nothing. Without a `charge` it keeps what the
    platform pays for free time. `debt` is what was kept so and went back to the guest later: it is owed once
    more, since no transfer has it.
    """

    ordinal: int
    kind: Literal["refund", "dispute", "netting", "debt"]
    charge: str | None
    amount_minor: int
    practitioner_minor: int


class Sent(Struct, frozen=True):
    """A transfer that went out, and what of it is not reversed, on its way back, or a debt."""

    transfer: str
    left_minor: int


class Paid(Struct, frozen=True):
    """A collected charge and where the practitioner's part of it is. Minor units.

    `returned_minor` counts every deduction not refused, `settled_minor` what those that are done took
    of the practitioner's part. `arrived_minor` was transferred, less what was reversed, is on its way back,
    or became a debt. `sent` are the transfers that went out, `last` is the latest one that was wanted.
    """

    kind: Kind
    intent: str
    charge: str
    currency: str
    amount_minor: int
    earned_minor: int
    returned_minor: int
    settled_minor: int
    arrived_minor: int
    sent: tuple[Sent, ...] = ()
    last: Operation | None = None

    @property
    def due_minor(self) -> int:
        """What is to be transferred still; negative for what has to come back."""
        return self.earned_minor - self.settled_minor - self.arrived_minor

    @property
    def back(self) -> list[Sent]:
        """What has to come back of which transfer, the latest first."""
        wanted: list[Sent] = []
        left_minor = -self.due_minor
        for one in reversed(self.sent):
            here_minor = min(left_minor, one.left_minor)
            if here_minor > 0:
                wanted.append(Sent(one.transfer, here_minor))
                left_minor -= here_minor
        return wanted

    @property
    def owed_minor(self) -> int:
        """What has to come back and is in no transfer, because it was kept against a debt."""
        return max(0, -self.due_minor - sum(one.left_minor for one in self.back))

    @property
    def goes_on(self) -> bool:
        """Whether a transfer of what is due is to be wanted beside those that were: none is under way, which
        would be decided anew when it begins, and none was refused, which is for a person to decide.
        """
        last = self.last
        if self.due_minor <= 0 or last is None:
            return False
        ended_unsent = last.outcome is not None and last.outcome.code == NOT_DUE
        return last.state is State.SUCCEEDED or (last.state is State.FAILED and ended_unsent)


class Part(Struct, frozen=True):
    """A part of a refund: how much of one charge, and how much of that was the practitioner's."""

    paid: Paid
    amount_minor: int
    practitioner_minor: int


def shares(whole_minor: int, weights: Sequence[int], currency: str) -> list[int]:
    """Split an amount by weights into chargeable amounts that add up to it, to the unit."""
    step = money.step_minor(currency)
    ends = list(accumulate(weights, initial=0))
    if ends[-1] == 0:
        return [0] * len(weights)
    running = [whole_minor // step * end // ends[-1] * step for end in ends]
    return [after - before for before, after in pairwise(running)]


def plan(paid: Sequence[Paid], amount_minor: int) -> list[Part]:
    """Which charges an amount goes back from, in order; tips come last. Raises TooMuch."""
    parts: list[Part] = []
    left_minor = amount_minor
    for charge in sorted(paid, key=lambda one: one.kind is Kind.TIP):
        here_minor = min(left_minor, charge.amount_minor - charge.returned_minor)
        if here_minor > 0:
            parts.append(part(charge, here_minor))
            left_minor -= here_minor
    if left_minor > 0:
        raise TooMuch("more than was charged")
    return parts


def part(paid: Paid, amount_minor: int) -> Part:
    """An amount of one charge. The practitioner's share follows what has gone back of the charge in all, so
    that a charge that is returned in pieces leaves them nothing and takes nothing twice.
    """
    step = money.step_minor(paid.currency)
    before_minor = paid.returned_minor
    of_them = [
        paid.earned_minor // step * end // paid.amount_minor * step
        for end in (before_minor, before_minor + amount_minor)
    ]
    return Part(paid, amount_minor, of_them[1] - of_them[0])


def paid(
    operations: Sequence[Operation],
    deductions: Sequence[Deduction],
    *,
    participant_no: int,
    earned_minor: int,
) -> list[Paid]:
    """Every collected charge of one guest, in order. `earned_minor` is the practitioner's by settlement."""
    ours = [one for one in operations if one.participant_no == participant_no]
    collected = [one for one in ours if _collected(one)]
    parts = _earned(ours, collected, earned_minor)
    refused = _refused(ours)
    return [_paid(one, parts[one.id], ours, deductions, refused) for one in collected]


def _collected(operation: Operation) -> bool:
    return (
        operation.kind in COLLECTS and operation.state is State.SUCCEEDED and _charge(operation) is not None
    )


def _charge(operation: Operation) -> str | None:
    return None if operation.outcome is None else operation.outcome.charge


def _earned(ours: Sequence[Operation], collected: Sequence[Operation], earned_minor: int) -> dict[int, int]:
    """The practitioner's part of each charge: what its transfer was first wanted for, or else all of a tip,
    and of the others their share of what the settlement says.
    """
    metered: dict[int, Operation] = {}
    for one in ours:
        if one.kind in (Kind.CAPTURE, Kind.CHARGE):
            metered.setdefault(one.ordinal, one)
    currency = ours[0].currency if ours else ""
    wanted_minor = [metered[ordinal].amount_minor for ordinal in sorted(metered)]
    by_share = (
        dict(zip(sorted(metered), shares(earned_minor, wanted_minor, currency), strict=True))
        if metered
        else {}
    )
    parts: dict[int, int] = {}
    for one in collected:
        wanted = _transfers(ours, _charge(one))
        if wanted:
            parts[one.id] = wanted[0].amount_minor
        else:
            parts[one.id] = one.amount_minor if one.kind is Kind.TIP else by_share[one.ordinal]
    return parts


def _transfers(ours: Sequence[Operation], charge: str | None) -> list[Operation]:
    """Every transfer of a charge's part that was wanted, the first one first."""
    found = [
        one
        for one in ours
        if one.kind is Kind.TRANSFER and one.params.body.get("source_transaction") == charge
    ]
    return sorted(found, key=lambda one: (one.ordinal, one.attempt))


def _refused(ours: Sequence[Operation]) -> set[int]:
    """Deductions whose refund Stripe has refused for good."""
    refunds = [one for one in ours if one.kind is Kind.REFUND]
    return {one.ordinal for one in refunds if one.state is State.FAILED} - {
        one.ordinal for one in refunds if one.state is not State.FAILED
    }


def _paid(
    collect: Operation,
    earned_minor: int,
    ours: Sequence[Operation],
    deductions: Sequence[Deduction],
    refused: set[int],
) -> Paid:
    charge, outcome = _charge(collect), collect.outcome
    if charge is None or outcome is None:
        raise ValueError("Nothing was collected.")
    counted = [
        one
        for one in deductions
        if one.charge == charge and not (one.kind == "refund" and one.ordinal in refused)
    ]
    done = {one.ordinal for one in ours if one.kind is Kind.REFUND and one.state is State.SUCCEEDED}
    settled = [one for one in counted if one.kind != "refund" or one.ordinal in done]
    transfers = _transfers(ours, charge)
    sent = [_sent(one, ours) for one in transfers if one.state is State.SUCCEEDED]
    return Paid(
        kind=collect.kind,
        intent=collect.stripe_id or "",
        charge=charge,
        currency=collect.currency,
        amount_minor=outcome.amount_minor,
        earned_minor=earned_minor,
        returned_minor=sum(one.amount_minor for one in counted),
        settled_minor=sum(
            -one.practitioner_minor if one.kind == "debt" else one.practitioner_minor for one in settled
        ),
        arrived_minor=sum(one.left_minor for one in sent),
        sent=tuple(sent),
        last=max(transfers, key=lambda one: one.id, default=None),
    )


def _sent(transfer: Operation, ours: Sequence[Operation]) -> Sent:
    arrived_minor = transfer.outcome.amount_minor if transfer.outcome is not None else 0
    back_minor = sum(
        one.amount_minor
        for one in ours
        if one.kind is Kind.REVERSAL and one.params.target == transfer.stripe_id and _counts(one)
    )
    return Sent(transfer.stripe_id or "", arrived_minor - back_minor)


def _counts(reversal: Operation) -> bool:
    """One that came to nothing is wanted again as another attempt, which counts instead. One that was refused
    counts: it became a debt.
    """
    outcome = reversal.outcome
    return not (reversal.state is State.FAILED and outcome is not None and outcome.code == NO_EFFECT)
