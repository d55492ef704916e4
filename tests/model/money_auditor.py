"""What must hold of money after every step, told naively from three sides: the hub, the ledger, Stripe."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from billing import money
from rooms.room import OVER, Room
from store.postgres import invariant
from tests.integration.payments.desk import Desk
from tests.model.money_afterwards import disputes_of

Object = dict[str, Any]
LEDGER = (
    "select kind, ordinal, account, sum(amount_minor)::bigint as minor from ledger_entries"
    " join ledger_transactions on ledger_transactions.id = transaction_id where session_id = $1"
    " group by kind, ordinal, account"
)
DEDUCTIONS = (
    "select deductions.* from deductions where session_id = $1 and kind <> 'netting' and (kind = 'dispute' or"
    " exists (select from payment_ops where payment_ops.session_id = $1 and payment_ops.kind = 'refund'"
    " and payment_ops.ordinal = deductions.ordinal and state = 'succeeded'))"
)


@dataclass
class Books:
    """One session as all three sides see it. `booked` is the ledger by (kind, account)."""

    room: Room
    settlements: list[Object]
    operations: list[Object]
    booked: Counter[tuple[str, str]]
    cases: set[str]
    intents: list[Object]
    transfers: list[Object]
    reversals: list[Object]
    refunds: list[Object]
    disputes: list[Object]
    deductions: list[Object]
    accounts: Counter[str] = field(default_factory=Counter)

    @property
    def total_minor(self) -> int:
        """What the guest is charged by the settlement."""
        return sum(settlement["total_minor"] for settlement in self.settlements)

    @property
    def captured_minor(self) -> int:
        """What Stripe collected for the session's time."""
        return sum(intent["amount_received"] for intent in self.intents if _kind(intent) != "tip")

    @property
    def booked_minor(self) -> int:
        """What the ledger has of that."""
        return self.booked["capture", "stripe_clearing"] + self.booked["charge", "stripe_clearing"]

    @property
    def tipped_minor(self) -> int:
        """What Stripe collected as a tip."""
        return sum(intent["amount_received"] for intent in self.intents if _kind(intent) == "tip")

    @property
    def transferred_minor(self) -> int:
        """What Stripe passed on and did not bring back."""
        return _sum(self.transfers) - _sum(self.reversals)

    @property
    def withdrawn_minor(self) -> int:
        """What banks took in disputes and have not given back."""
        return _sum([dispute for dispute in self.disputes if dispute["status"] != "won"])

    @property
    def clearing_minor(self) -> int:
        """What lies at Stripe of this session, fees apart."""
        came_in = self.captured_minor + self.tipped_minor
        return came_in - self.transferred_minor - _sum(self.refunds) - self.withdrawn_minor

    @property
    def deducted_minor(self) -> int:
        """What refunds and lost disputes took of the practitioner's part."""
        return sum(row["practitioner_minor"] for row in self.deductions)


def _sum(objects: list[Object]) -> int:
    return sum(thing["amount"] for thing in objects)


def _kind(thing: Object) -> str:
    return str(thing["metadata"]["operation"].split(":")[1])


async def books(desk: Desk, room: Room) -> Books:
    """Read all three."""

    async def rows(query: str) -> list[Object]:
        return [dict(row) for row in await desk.owner.fetch(query, room.id)]

    entries = await rows(LEDGER)
    booked: Counter[tuple[str, str]] = Counter()
    accounts: Counter[str] = Counter()
    for entry in entries:
        booked[entry["kind"], entry["account"]] += entry["minor"]
        accounts[entry["account"]] += entry["minor"]
    return Books(
        room,
        await rows("select * from settlements where session_id = $1"),
        await rows("select * from payment_ops where session_id = $1 order by id"),
        booked,
        set(await desk.cases(room)),
        await desk.at_stripe("payment_intents", room),
        await desk.at_stripe("transfers", room),
        await desk.at_stripe("reversals", room),
        await desk.at_stripe("refunds", room),
        await disputes_of(desk, room),
        await rows(DEDUCTIONS),
        accounts,
    )


NEED_WORKERS = {"no_orphan_holds", "operations_come_to_an_end"}
"""Invariants that hold as long as somebody works: a machine in which nobody did for days breaks them."""


async def invariants_hold(desk: Desk, rooms: Iterable[Room], *, calm: bool) -> None:
    """What `python -m hub check` looks at holds as well; all of it once it is `calm`."""
    ours = {room.id for room in rooms}
    for name in invariant.names():
        if name in NEED_WORKERS and not calm:
            continue
        broken = await invariant.broken(desk.owner, name, now_ms=desk.now_ms())
        rows = [row for row in broken if str(row.get("session_id")) in ours]
        assert not rows, f"{name}: {rows}"


def at_any_time(seen: Books) -> None:
    """Whatever is under way, whoever died."""
    _nothing_was_done_twice(seen)
    assert sum(seen.accounts.values()) == 0, "debits = credits"
    assert len(seen.settlements) <= 1, "settled once"
    assert seen.captured_minor <= seen.total_minor, "no more was collected than was settled"
    came_in_minor = seen.captured_minor + seen.tipped_minor
    assert seen.transferred_minor <= came_in_minor, "no more is passed on than was collected"
    assert _sum(seen.refunds) <= came_in_minor, "no more goes back than was collected"
    # The ledger follows Stripe: it may be late, never ahead.
    assert seen.booked_minor <= seen.captured_minor
    assert seen.booked["tip", "stripe_clearing"] <= seen.tipped_minor
    assert -seen.booked["transfer", "stripe_clearing"] <= _sum(seen.transfers)
    assert seen.booked["reversal", "stripe_clearing"] <= _sum(seen.reversals)
    assert -seen.booked["refund", "stripe_clearing"] <= _sum(seen.refunds)
    assert seen.booked["settlement", "guest_receivable"] == seen.total_minor
    for settlement in seen.settlements:
        _is_the_price(seen.room, settlement)


def _nothing_was_done_twice(seen: Books) -> None:
    for objects in (seen.intents, seen.transfers, seen.refunds, seen.reversals):
        names = Counter(thing["metadata"]["operation"] for thing in objects)
        assert not [name for name, count in names.items() if count > 1], f"made twice: {names}"
    holding = Counter(
        intent["metadata"]["operation"].rpartition(":")[0]
        for intent in seen.intents
        if intent["status"] in ("requires_capture", "succeeded")
    )
    assert all(count == 1 for count in holding.values()), f"two attempts hold money: {holding}"


def _is_the_price(room: Room, settlement: Object) -> None:
    """The time that both were there, up to what was funded, at the agreed rate, rounded once."""
    terms, guest = room.terms, room.guests[0]
    assert room.ended_at_ms is not None
    common_ms = room.ended_at_ms - room.live_at_ms if room.live_at_ms is not None else 0
    if guest.hold is not None:
        common_ms = min(common_ms, guest.hold.funded_ms)
    assert settlement["billed_ms"] == common_ms
    exact = min(Fraction(common_ms * terms.rate_minor_per_minute, 60_000), Fraction(terms.cap_minor))
    assert abs(settlement["subtotal_minor"] - exact) <= Fraction(money.step_minor(terms.currency), 2)
    total, least = settlement["total_minor"], money.minimum_charge_minor(terms.currency)
    if settlement["waived"] is None:
        # A remainder that is too small to be charged by itself is forgiven.
        assert settlement["subtotal_minor"] - least < total <= settlement["subtotal_minor"]
    else:
        assert total == 0
    assert settlement["fee_minor"] + settlement["practitioner_minor"] == total
    assert total == 0 or total >= least


def once_it_is_calm(seen: Books) -> None:
    """Nothing is under way any more: all three sides say the same, to the last unit."""
    at_any_time(seen)
    assert seen.room.state in OVER
    assert len(seen.settlements) == 1
    waiting = [op for op in seen.operations if op["state"] not in ("succeeded", "failed")]
    assert not waiting, f"still to do: {waiting}"
    held = [intent["id"] for intent in seen.intents if intent["status"] == "requires_capture"]
    assert not held, f"orphan holds: {held}"
    assert seen.booked_minor == seen.captured_minor
    assert seen.accounts["stripe_clearing"] == seen.clearing_minor
    assert seen.accounts["disputed_funds"] == 0
    owed_minor = seen.total_minor - seen.captured_minor
    assert seen.accounts["guest_receivable"] == owed_minor, "what was not collected is owed, on the ledger"
    if owed_minor:
        told = {"capture_failed", "capture_differs", "charge_failed", "charge_differs"}
        assert seen.cases & told, f"and a person knows of it: {seen.cases}"
    [settlement] = seen.settlements
    earned_minor = settlement["practitioner_minor"] + seen.tipped_minor - seen.deducted_minor
    kept_minor = earned_minor - seen.transferred_minor
    assert seen.accounts["practitioner_payable"] + seen.accounts["practitioner_debt"] == -kept_minor
    assert seen.accounts["practitioner_debt"] >= 0
    plain = not (owed_minor or seen.disputes or seen.refunds or seen.cases)
    assert not plain or kept_minor == 0, "the practitioner is paid"


def ends(seen: Books) -> list[str]:
    """What became of a session, in words to count."""
    captures = [op for op in seen.operations if op["kind"] == "capture" and op["state"] == "succeeded"]
    return [
        "sessions",
        *(["lived"] if seen.room.live_at_ms is not None else []),
        *(["captured"] if captures else []),
        *(["charged anew"] if seen.booked["charge", "stripe_clearing"] else []),
        *(["captured in parts"] if len(captures) > 1 else []),
        *(["transferred"] if seen.transferred_minor else []),
        *(["tipped"] if seen.tipped_minor else []),
        *(["refunded"] if seen.refunds else []),
        *(["reversed"] if seen.reversals else []),
        *(["disputed"] if seen.disputes else []),
        *(["in debt"] if seen.accounts["practitioner_debt"] else []),
        *(["tried anew"] if any(op["attempt"] > 1 for op in seen.operations) else []),
        *seen.cases,
    ]
