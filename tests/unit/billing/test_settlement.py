import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billing import holds, money, price
from billing.ledger import Account
from billing.payment import Kind, Wanted
from billing.settlement import Held, Settlement, settle
from rooms.room import State, Terms
from tests.unit.billing.terms import over, per_minute, placed, unfunded
from tests.unit.billing.test_price import terms

MINUTE_MS = 60_000


def bill(room_terms: Terms, minutes: float, *held: Held, destination: str | None = "acct_1") -> Settlement:
    room = over(room_terms, (0, int(minutes * MINUTE_MS)), ordinals=tuple(hold.ordinal for hold in held))
    return settle(room, room.guests[0], held=held, destination=destination)


def wanted(settlement: Settlement, kind: Kind) -> list[Wanted]:
    return [operation for operation in settlement.operations if operation.kind is kind]


def amounts(settlement: Settlement, kind: Kind) -> list[tuple[int, int]]:
    return [(operation.ordinal, operation.amount_minor) for operation in wanted(settlement, kind)]


def test_a_part_of_the_hold_is_captured_and_the_practitioner_is_paid_from_it() -> None:
    settlement = bill(per_minute(300, fee_bps=2000), 4, placed(1, 3000))
    assert (settlement.billed_ms, settlement.total_minor) == (4 * MINUTE_MS, 1200)
    assert (settlement.fee_minor, settlement.practitioner_minor) == (240, 960)
    assert amounts(settlement, Kind.CAPTURE) == [(1, 1200)]
    assert amounts(settlement, Kind.TRANSFER) == [(1, 960)]
    assert amounts(settlement, Kind.CANCEL) == []
    [transfer] = wanted(settlement, Kind.TRANSFER)
    assert transfer.params.body["source_transaction"] == "ch_1"
    assert transfer.at_ms == 4 * MINUTE_MS + 24 * 3_600_000


def test_holds_are_captured_in_order_and_the_unused_one_is_released() -> None:
    settlement = bill(per_minute(300), 14, placed(2, 3000), placed(1, 3000), placed(3, 3000))
    assert amounts(settlement, Kind.CAPTURE) == [(1, 3000), (2, 1200)]
    assert amounts(settlement, Kind.CANCEL) == [(3, 3000)]
    assert amounts(settlement, Kind.TRANSFER) == [(1, 2400), (2, 960)]


def test_below_the_minimum_nothing_is_charged() -> None:
    settlement = bill(per_minute(300), 0.15, placed(1, 3000))
    assert (settlement.subtotal_minor, settlement.total_minor) == (45, 0)
    assert settlement.waived == "below_minimum"
    assert settlement.ledger == ()
    assert [operation.kind for operation in settlement.operations] == [Kind.CANCEL]


def test_the_agreed_minimum_waives_too() -> None:
    assert bill(per_minute(300, minimum_minor=301), 1, placed(1, 3000)).waived == "below_minimum"
    assert bill(per_minute(300, minimum_minor=300), 1, placed(1, 3000)).total_minor == 300


def test_time_that_nobody_holds_money_for_is_not_charged() -> None:
    room = unfunded(over(per_minute(300), (0, MINUTE_MS)))
    settlement = settle(room, room.guests[0], held=())
    assert (settlement.total_minor, settlement.waived, settlement.operations) == (0, "unfunded", ())


@pytest.mark.parametrize("state", [State.DECLINED, State.EXPIRED, State.CANCELLED])
@pytest.mark.parametrize("held", [placed(1, 3000), Held(1, 3000, "pi_1", "action_required")])
def test_a_session_that_never_was_live_only_releases_its_hold(state: State, held: Held) -> None:
    room = over(per_minute(300), state=state, ordinals=())
    settlement = settle(room, room.guests[0], held=(held,))
    assert (settlement.billed_ms, settlement.total_minor, settlement.waived) == (0, 0, None)
    assert [operation.kind for operation in settlement.operations] == [Kind.CANCEL]
    assert settlement.operations[0].params.target == "pi_1"


def test_a_hold_that_the_room_never_counted_is_released_and_pays_nothing() -> None:
    room = over(per_minute(300), (0, 2 * MINUTE_MS), ordinals=(1,))
    settlement = settle(room, room.guests[0], held=(placed(1, 3000), placed(2, 3000)))
    assert amounts(settlement, Kind.CAPTURE) == [(1, 600)]
    assert amounts(settlement, Kind.CANCEL) == [(2, 3000)]


@pytest.mark.parametrize("state", ["none", "unknown"])
def test_a_hold_without_money_or_with_an_unknown_fate_is_left_alone(state: str) -> None:
    lost = Held(1, 3000, None, state)  # type: ignore[arg-type]
    room = over(per_minute(300), state=State.CANCELLED, ordinals=())
    assert settle(room, room.guests[0], held=(lost,)).operations == ()


def test_without_an_account_the_earnings_stay_on_the_ledger() -> None:
    settlement = bill(per_minute(300), 4, placed(1, 3000), destination=None)
    assert wanted(settlement, Kind.TRANSFER) == []
    payable = [
        entry.amount_minor for entry in settlement.ledger if entry.account is Account.PRACTITIONER_PAYABLE
    ]
    assert payable == [-960]


def test_a_session_that_goes_on_is_not_settled() -> None:
    room = replace(over(per_minute(300), (0, MINUTE_MS)), state=State.LIVE)
    with pytest.raises(ValueError, match="live"):
        settle(room, room.guests[0], held=())


def test_a_remainder_too_small_to_capture_borrows_from_the_hold_before() -> None:
    settlement = bill(per_minute(300), 10.05, placed(1, 3000), placed(2, 3000))
    assert settlement.total_minor == 3015
    assert amounts(settlement, Kind.CAPTURE) == [(1, 2965), (2, 50)]


def test_a_remainder_that_cannot_borrow_is_forgiven() -> None:
    settlement = bill(per_minute(300), 0.2, placed(1, 50), placed(2, 50))
    assert (settlement.subtotal_minor, settlement.total_minor) == (60, 50)
    assert amounts(settlement, Kind.CAPTURE) == [(1, 50)]
    assert amounts(settlement, Kind.CANCEL) == [(2, 50)]


@st.composite
def ended(draw: st.DrawFn) -> tuple[Settlement, Terms, tuple[Held, ...]]:
    """A session as it runs: holds are placed one after the other, and time is bounded by what they fund."""
    agreed = draw(terms())
    held: list[Held] = []
    for ordinal in range(1, 1 + draw(st.integers(1, 4))):
        amount = holds.next_hold_minor(agreed, sum(hold.amount_minor for hold in held))
        if amount:
            held.append(placed(ordinal, amount))
    funded_ms = holds.funded_ms(agreed, sum(hold.amount_minor for hold in held))
    spans = [(0, draw(st.integers(0, 10**7)))]
    spans.append((spans[0][1] + 1000, spans[0][1] + 1000 + draw(st.integers(0, 10**7))))
    ordinals = tuple(hold.ordinal for hold in held)
    room = over(agreed, *spans, ordinals=ordinals, funded_ms=funded_ms)
    return settle(room, room.guests[0], held=tuple(held), destination="acct_1"), agreed, tuple(held)


@given(ended())
def test_every_hold_is_either_captured_or_released_once(
    case: tuple[Settlement, Terms, tuple[Held, ...]],
) -> None:
    settlement, _, held = case
    done = [op.ordinal for kind in (Kind.CAPTURE, Kind.CANCEL) for op in wanted(settlement, kind)]
    assert sorted(done) == sorted(hold.ordinal for hold in held)


@given(ended())
def test_the_captures_are_the_total_and_nothing_exceeds_its_bound(
    case: tuple[Settlement, Terms, tuple[Held, ...]],
) -> None:
    settlement, agreed, held = case
    by_ordinal = {hold.ordinal: hold.amount_minor for hold in held}
    least, step = money.minimum_charge_minor(agreed.currency), money.step_minor(agreed.currency)
    captures = wanted(settlement, Kind.CAPTURE)
    assert sum(op.amount_minor for op in captures) == settlement.total_minor
    assert all(least <= op.amount_minor <= by_ordinal[op.ordinal] for op in captures)
    assert all(op.amount_minor % step == 0 for op in captures)
    assert settlement.total_minor <= min(
        settlement.subtotal_minor, agreed.cap_minor, sum(by_ordinal.values())
    )
    assert settlement.subtotal_minor == price.amount_minor(agreed, settlement.billed_ms)
    # What is forgiven is less than the least charge, and is said when it is everything.
    if settlement.total_minor == 0 and settlement.subtotal_minor:
        assert settlement.waived == "below_minimum"
    elif settlement.subtotal_minor:
        assert settlement.subtotal_minor - settlement.total_minor < least


@given(ended())
def test_the_ledger_sums_to_zero_and_the_transfers_are_what_was_earned(
    case: tuple[Settlement, Terms, tuple[Held, ...]],
) -> None:
    settlement, _, _ = case
    assert sum(entry.amount_minor for entry in settlement.ledger) == 0
    assert settlement.fee_minor + settlement.practitioner_minor == settlement.total_minor
    captures = {op.ordinal: op.amount_minor for op in wanted(settlement, Kind.CAPTURE)}
    transfers = [op for op in wanted(settlement, Kind.TRANSFER) if op.ordinal < 1_000]
    assert sum(op.amount_minor for op in transfers) == settlement.practitioner_minor
    assert all(0 < op.amount_minor <= captures[op.ordinal] for op in transfers)
