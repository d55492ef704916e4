"""What must hold of money after every step, told naively from three sides: the hub, the ledger, Stripe."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from rooms.room import OVER, Room
from store.postgres import invariant
from tests.integration.payments.desk import Desk
from tests.model.money_afterwards import disputes_of
from tests.model.money_price import is_the_price

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

GIVEN_BACK = "select exists (select from restitutions where guest_id = $1 and done_at_ms is not null)"


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
    given_back: bool
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
    def promised_minor(self) -> int:
        """What the platform pays for free time by the settlement."""
        return sum(settlement["promotion_minor"] for settlement in self.settlements)

    @property
    def promoted_minor(self) -> int:
        """What of it Stripe passed on: the transfers that no charge is behind."""
        return _sum([transfer for transfer in self.transfers if transfer["source_transaction"] is None])

    @property
    def transferred_minor(self) -> int:
        """What Stripe passed on and did not bring back."""
        return _sum(self.transfers) - _sum(self.reversals)

    @property
    def withdrawn_minor(self) -> int:
        """What banks took in disputes and have not given back."""
        return _sum([dispute for dispute in self.disputes if dispute["status"] != "won"])

    @property
    def refunded_minor(self) -> int:
        """What went back to the guest and stayed there."""
        return _sum([refund for refund in self.refunds if refund["status"] != "failed"])

    @property
    def bounced_minor(self) -> int:
        """What went back, and came back again."""
        return _sum(self.refunds) - self.refunded_minor

    @property
    def clearing_minor(self) -> int:
        """What lies at Stripe of this session, fees apart."""
        came_in = self.captured_minor + self.tipped_minor
        return came_in - self.transferred_minor - self.refunded_minor - self.withdrawn_minor

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
        bool(await desk.owner.fetchval(GIVEN_BACK, room.guests[0].user_id)),
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
    of_charges_minor = seen.transferred_minor - seen.promoted_minor
    assert of_charges_minor <= came_in_minor, "no more is passed on than was collected"
    assert seen.promoted_minor <= seen.promised_minor, "free time is paid once"
    assert seen.accounts["platform_promotions"] == seen.promised_minor
    assert seen.refunded_minor <= came_in_minor, "no more goes back than was collected"
    # The ledger follows Stripe: it may be late, never ahead.
    assert seen.booked_minor <= seen.captured_minor
    assert seen.booked["tip", "stripe_clearing"] <= seen.tipped_minor
    assert -seen.booked["transfer", "stripe_clearing"] <= _sum(seen.transfers)
    assert seen.booked["reversal", "stripe_clearing"] <= _sum(seen.reversals)
    assert -seen.booked["refund", "stripe_clearing"] <= _sum(seen.refunds)
    assert seen.booked["refund_failed", "stripe_clearing"] <= seen.bounced_minor
    assert seen.booked["settlement", "guest_receivable"] == seen.total_minor
    for settlement in seen.settlements:
        is_the_price(seen.room, settlement)


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
        told = {"capture_differs", "charge_failed", "charge_differs", "charge_given_up"}
        if seen.given_back:
            # Of a minor nothing is asked in place of a hold that is gone.
            told.add("capture_failed")
        assert seen.cases & told, f"and a person knows of it: {seen.cases}"
    if seen.given_back and not seen.cases & {"refund_failed", "charge_failed"}:
        back_minor = seen.refunded_minor + seen.withdrawn_minor
        assert seen.captured_minor <= back_minor, "everything went back to a minor"
    [settlement] = seen.settlements
    earned_minor = settlement["practitioner_minor"] + seen.promised_minor
    earned_minor += seen.tipped_minor - seen.deducted_minor
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
        *(["paid for free time"] if seen.promoted_minor else []),
        *(["paid for free time alone"] if seen.promoted_minor and not captures else []),
        *(["waited for the balance"] if _waited_for_balance(seen) else []),
        *(["tipped"] if seen.tipped_minor else []),
        *(["refunded"] if seen.refunds else []),
        *(["refunded in vain"] if seen.bounced_minor else []),
        *(["given back"] if seen.given_back and seen.refunded_minor else []),
        *(["owed for some time"] if _owed(seen) else []),
        *(["reversed"] if seen.reversals else []),
        *(["disputed"] if seen.disputes else []),
        *(["in debt"] if seen.accounts["practitioner_debt"] else []),
        *(["tried anew"] if any(op["attempt"] > 1 for op in seen.operations) else []),
        *seen.cases,
    ]


def _owed(seen: Books) -> bool:
    return any(op["kind"] == "charge" and op["state"] == "failed" for op in seen.operations)


def _waited_for_balance(seen: Books) -> bool:
    return any((op["outcome"] or {}).get("code") == "balance_insufficient" for op in seen.operations)
