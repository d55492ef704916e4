"""What goes back of a charge, and of the practitioner's part: never more than there was, never twice."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billing import money, refunding
from billing.payment import Kind, Operation, Outcome, Request, State
from billing.refunding import Deduction, Paid, TooMuch
from rooms.ids import SessionId

SESSION = SessionId("0192f0c1-2345-7000-8000-000000000001")
CURRENCIES = ("usd", "jpy", "kwd", "isk")


def charge(**changes: Any) -> Paid:
    whole: dict[str, Any] = {
        "kind": Kind.CAPTURE,
        "intent": "pi_1",
        "charge": "ch_1",
        "currency": "usd",
        "amount_minor": 1200,
        "earned_minor": 960,
        "returned_minor": 0,
        "settled_minor": 0,
        "arrived_minor": 0,
    }
    return Paid(**{**whole, **changes})


def operation(kind: Kind, ordinal: int = 1, **changes: Any) -> Operation:
    whole: dict[str, Any] = {
        "id": hash((kind, ordinal, changes.get("attempt", 1))) % 10**6,
        "session_id": SESSION,
        "participant_no": 1,
        "kind": kind,
        "ordinal": ordinal,
        "attempt": 1,
        "amount_minor": 1200,
        "currency": "usd",
        "params": Request({}),
        "idem_key": "k",
        "state": State.SUCCEEDED,
        "stripe_id": f"{kind.value}_{ordinal}",
        "outcome": None,
        "first_sent_at_ms": 1,
        "next_at_ms": 0,
        "lease_until_ms": 0,
        "created_at_ms": 0,
    }
    return Operation(**{**whole, **changes})


def captured(ordinal: int = 1, amount_minor: int = 1200) -> Operation:
    outcome = Outcome("captured", amount_minor, charge=f"ch_{ordinal}")
    return operation(Kind.CAPTURE, ordinal, amount_minor=amount_minor, outcome=outcome)


def transferred(ordinal: int = 1, amount_minor: int = 960, **changes: Any) -> Operation:
    request = Request({"source_transaction": f"ch_{ordinal}"})
    outcome = Outcome("transferred", amount_minor)
    return operation(
        Kind.TRANSFER,
        ordinal,
        **{"amount_minor": amount_minor, "params": request, "outcome": outcome, **changes},
    )


def one(*operations: Operation, deductions: tuple[Deduction, ...] = (), earned_minor: int = 960) -> Paid:
    [found] = refunding.paid(operations, deductions, participant_no=1, earned_minor=earned_minor)
    return found


@given(
    st.sampled_from(CURRENCIES),
    st.integers(0, 10**6),
    st.lists(st.integers(1, 10**6), min_size=1, max_size=5),
)
def test_shares_add_up(currency: str, whole: int, weights: list[int]) -> None:
    whole_minor = money.down(whole, currency)
    shares = refunding.shares(whole_minor, weights, currency)
    assert sum(shares) == whole_minor
    assert all(share >= 0 and share % money.step_minor(currency) == 0 for share in shares)


@given(
    st.sampled_from(CURRENCIES),
    st.integers(1, 10**5),
    st.integers(0, 10_000),
    st.lists(st.integers(1, 10**5), max_size=6),
)
def test_a_charge_that_goes_back_in_pieces_leaves_nothing_and_takes_nothing_twice(
    currency: str, units: int, bps: int, pieces: list[int]
) -> None:
    step = money.step_minor(currency)
    amount, earned = units * step, money.down(units * step * bps // 10_000, currency)
    paid = charge(currency=currency, amount_minor=amount, earned_minor=earned)
    taken = 0
    for piece in [*pieces, units]:
        part = refunding.part(paid, min(piece * step, amount - paid.returned_minor))
        assert 0 <= part.practitioner_minor <= part.amount_minor
        taken += part.practitioner_minor
        paid = replace(paid, returned_minor=paid.returned_minor + part.amount_minor)
    assert (paid.returned_minor, taken) == (amount, earned)


def test_it_goes_back_in_order_and_tips_last() -> None:
    tip = charge(kind=Kind.TIP, charge="ch_tip", amount_minor=500, earned_minor=500)
    first, second = charge(returned_minor=1000), charge(charge="ch_2", amount_minor=300, earned_minor=240)
    parts = refunding.plan([tip, first, second], 700)
    assert [(part.paid.charge, part.amount_minor, part.practitioner_minor) for part in parts] == [
        ("ch_1", 200, 160),
        ("ch_2", 300, 240),
        ("ch_tip", 200, 200),
    ]


@pytest.mark.parametrize("paid", [[], [charge(returned_minor=1200)], [charge(), charge(amount_minor=99)]])
def test_no_more_goes_back_than_there_is(paid: list[Paid]) -> None:
    left = sum(each.amount_minor - each.returned_minor for each in paid)
    with pytest.raises(TooMuch):
        refunding.plan(paid, left + 1)


REFUND = Deduction(1, "refund", "ch_1", 600, 480)


@pytest.mark.parametrize(
    ("name", "operations", "deductions", "due_minor", "returned_minor"),
    [
        ("nothing sent", (captured(),), (), 960, 0),
        ("sent", (captured(), transferred()), (), 0, 0),
        ("on its way", (captured(), transferred(state=State.IN_FLIGHT, outcome=None)), (), 960, 0),
        ("refund wanted", (captured(), operation(Kind.REFUND, state=State.PENDING)), (REFUND,), 960, 600),
        ("refunded", (captured(), operation(Kind.REFUND)), (REFUND,), 480, 600),
        ("refund refused", (captured(), operation(Kind.REFUND, state=State.FAILED)), (REFUND,), 960, 0),
        (
            "refund tried again",
            (captured(), operation(Kind.REFUND, state=State.FAILED), operation(Kind.REFUND, attempt=2)),
            (REFUND,),
            480,
            600,
        ),
        ("sent and refunded", (captured(), transferred(), operation(Kind.REFUND)), (REFUND,), -480, 600),
        (
            "reversal on its way",
            (
                captured(),
                transferred(),
                operation(Kind.REFUND),
                operation(
                    Kind.REVERSAL,
                    amount_minor=480,
                    params=Request({}, target="transfer_1"),
                    state=State.PENDING,
                ),
            ),
            (REFUND,),
            0,
            600,
        ),
        ("kept for a debt", (captured(),), (Deduction(1, "netting", "ch_1", 0, 100),), 860, 0),
        ("lost", (captured(), transferred()), (Deduction(1, "dispute", "ch_1", 1200, 960),), -960, 1200),
    ],
)
def test_what_is_due_follows_from_what_is_there(
    name: str,
    operations: tuple[Operation, ...],
    deductions: tuple[Deduction, ...],
    due_minor: int,
    returned_minor: int,
) -> None:
    paid = one(*operations, deductions=deductions)
    assert (paid.due_minor, paid.returned_minor) == (due_minor, returned_minor), name


@pytest.mark.parametrize(
    ("outcome", "due_minor"),
    [(Outcome("refused", code="balance_insufficient"), 0), (Outcome("refused", code="no_effect"), -480)],
)
def test_a_refused_reversal_is_a_debt_and_one_without_effect_is_wanted_again(
    outcome: Outcome, due_minor: int
) -> None:
    reversal = operation(
        Kind.REVERSAL,
        amount_minor=480,
        params=Request({}, target="transfer_1"),
        state=State.FAILED,
        outcome=outcome,
    )
    paid = one(captured(), transferred(), operation(Kind.REFUND), reversal, deductions=(REFUND,))
    assert paid.due_minor == due_minor


def test_what_the_first_transfer_was_wanted_for_is_what_was_earned() -> None:
    smaller = transferred(amount_minor=480, attempt=2)
    replaced = transferred(state=State.FAILED, outcome=Outcome("refused", code="replaced"), stripe_id=None)
    paid = one(captured(), smaller, replaced, operation(Kind.REFUND), deductions=(REFUND,))
    assert (paid.earned_minor, paid.arrived_minor, paid.due_minor) == (960, 480, 0)


def test_only_what_was_collected_of_this_guest_counts() -> None:
    others = (
        replace(captured(2), participant_no=2),
        operation(Kind.HOLD, outcome=Outcome("placed", 3_000, charge="ch_1")),
        operation(Kind.CAPTURE, 3, state=State.FAILED, outcome=Outcome("canceled")),
    )
    found: Callable[[int], list[Paid]] = lambda no: refunding.paid(  # noqa: E731
        [captured(), *others], (), participant_no=no, earned_minor=960
    )
    assert [paid.charge for paid in found(1)] == ["ch_1"]
    assert [paid.charge for paid in found(2)] == ["ch_2"]


def test_without_a_transfer_the_settlement_says_what_each_charge_earned() -> None:
    paid = refunding.paid([captured(1, 3000), captured(2, 1000)], (), participant_no=1, earned_minor=3201)
    assert [each.earned_minor for each in paid] == [2400, 801]


def test_what_comes_back_is_split_over_the_transfers_the_latest_first() -> None:
    sent = (refunding.Sent("tr_1", 480), refunding.Sent("tr_2", 480))
    paid = charge(settled_minor=800, arrived_minor=960, sent=sent)
    assert paid.back == [refunding.Sent("tr_2", 480), refunding.Sent("tr_1", 320)]
    assert paid.owed_minor == 0


def test_what_was_kept_against_a_debt_and_goes_back_is_owed() -> None:
    paid = charge(settled_minor=800 + 960, arrived_minor=160, sent=(refunding.Sent("tr_1", 160),))
    assert paid.back == [refunding.Sent("tr_1", 160)]
    assert paid.owed_minor == 800
