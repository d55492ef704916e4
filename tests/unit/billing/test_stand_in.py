"""A hold that is gone: which part is taken from the card, and what is passed on of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billing import holds, money, recovery, requests, stand_in
from billing.payment import Facts, Kind, Operation, Outcome, Reply, Request, Share, State
from billing.settlement import Held, Settlement, held, settle
from tests.unit.billing.terms import SESSION, over, per_minute, placed

MINUTE_MS = 60_000


def lapsed(ordinal: int, amount_minor: int) -> Held:
    return replace(
        placed(ordinal, amount_minor), state="lapsed", customer="cus_1", payment_method=f"pm_{ordinal}"
    )


def bill(minutes: float, *usable: Held, destination: str | None = "acct_1") -> Settlement:
    room = over(
        per_minute(300), (0, int(minutes * MINUTE_MS)), ordinals=tuple(hold.ordinal for hold in usable)
    )
    return settle(room, room.guests[0], held=usable, destination=destination)


def operation(kind: Kind, *, state: State, outcome: Outcome | None, ordinal: int = 1) -> Operation:
    body: dict[str, object] = {"customer": "cus_1", "payment_method": "pm_1", "destination": "acct_1"}
    return Operation(
        id=1, session_id=SESSION, participant_no=1, kind=kind, ordinal=ordinal, attempt=1, amount_minor=1200,
        currency="usd", params=Request(body, target="pi_1"), idem_key="k", state=state, stripe_id="pi_1",
        outcome=outcome, first_sent_at_ms=1, next_at_ms=77, lease_until_ms=0, created_at_ms=0,
    )  # fmt: skip


def made(settlement: Settlement) -> list[tuple[str, int, int]]:
    return [(one.kind.value, one.ordinal, one.amount_minor) for one in settlement.operations]


def test_of_two_holds_the_one_that_lapsed_is_charged_and_the_other_captured() -> None:
    settlement = bill(14, lapsed(1, 3000), placed(2, 3000))
    assert made(settlement) == [
        ("capture", 2, 1200),
        ("charge", 1, 3000),
        ("transfer", 2, 960),
    ]
    charge = next(one for one in settlement.operations if one.kind is Kind.CHARGE)
    assert charge.params.share is not None
    assert (charge.params.share.amount_minor, charge.params.share.destination) == (2400, "acct_1")
    assert charge.params.body["payment_method"] == "pm_1"
    assert charge.params.body["off_session"] is True
    assert settlement.total_minor == 4200


def test_a_lapsed_hold_that_is_not_needed_costs_nothing() -> None:
    assert made(bill(4, placed(1, 3000), lapsed(2, 3000))) == [("capture", 1, 1200), ("transfer", 1, 960)]


def test_one_that_the_room_never_counted_is_not_charged() -> None:
    room = over(per_minute(300), (0, 4 * MINUTE_MS), ordinals=())
    assert settle(room, room.guests[0], held=(lapsed(1, 3000),)).operations == ()


@given(
    minutes=st.integers(0, 40),
    sizes=st.lists(st.tuples(st.integers(50, 4000), st.booleans()), min_size=1, max_size=4),
)
def test_whatever_lapsed_the_same_is_charged_and_the_same_is_earned(
    minutes: int, sizes: list[tuple[int, bool]]
) -> None:
    """A guest pays neither more nor less, and a practitioner gets neither, for a hold that was let go."""
    standing = [placed(n, size) for n, (size, _) in enumerate(sizes, 1)]
    some = [lapsed(n, size) if gone else placed(n, size) for n, (size, gone) in enumerate(sizes, 1)]
    before, after = bill(minutes, *standing), bill(minutes, *some)
    assert (before.total_minor, before.practitioner_minor) == (after.total_minor, after.practitioner_minor)
    collected = [one for one in after.operations if one.kind in (Kind.CAPTURE, Kind.CHARGE)]
    assert sum(one.amount_minor for one in collected) == after.total_minor
    shares = sum(one.params.share.amount_minor for one in collected if one.params.share is not None)
    transfers = sum(one.amount_minor for one in after.operations if one.kind is Kind.TRANSFER)
    assert shares + transfers == after.practitioner_minor


@pytest.mark.parametrize(
    ("status", "state", "is_gone"),
    [
        ("canceled", State.FAILED, True),
        ("captured", State.SUCCEEDED, False),
        ("refused", State.FAILED, False),
    ],
)
def test_only_a_capture_that_finds_no_hold_is_replaced(status: str, state: State, is_gone: bool) -> None:
    outcome = Outcome(status)  # type: ignore[arg-type]
    assert stand_in.is_gone(operation(Kind.CAPTURE, state=state, outcome=outcome)) is is_gone
    assert not stand_in.is_gone(operation(Kind.CANCEL, state=state, outcome=outcome))


def test_the_charge_takes_the_frozen_amount_from_the_same_card() -> None:
    hold = operation(Kind.HOLD, state=State.SUCCEEDED, outcome=Outcome("canceled"))
    capture = operation(Kind.CAPTURE, state=State.FAILED, outcome=Outcome("canceled"))
    transfer = replace(operation(Kind.TRANSFER, state=State.PENDING, outcome=None), amount_minor=960)
    wanted = stand_in.charge(capture, [hold, capture, transfer], now_ms=5)
    assert wanted is not None
    assert (wanted.kind, wanted.ordinal, wanted.amount_minor, wanted.at_ms) == (Kind.CHARGE, 1, 1200, 5)
    assert wanted.params.share == Share(960, "acct_1", 77)
    assert wanted.params.body["customer"] == "cus_1"
    assert stand_in.charge(capture, [capture], now_ms=5) is None


def test_the_share_is_transferred_from_the_charge_that_came_in() -> None:
    came_in = operation(Kind.CHARGE, state=State.SUCCEEDED, outcome=Outcome("captured", 1200, charge="ch_9"))
    assert requests.transfer_of(came_in) is None
    came_in = replace(came_in, params=replace(came_in.params, share=Share(960, "acct_1", 77)))
    wanted = requests.transfer_of(came_in)
    assert wanted is not None
    assert (wanted.ordinal, wanted.amount_minor, wanted.at_ms) == (1_001, 960, 77)
    assert wanted.params.body["source_transaction"] == "ch_9"


def test_a_hold_that_was_placed_and_let_go_has_lapsed() -> None:
    hold = operation(Kind.HOLD, state=State.SUCCEEDED, outcome=Outcome("canceled"))
    assert (held(hold).state, held(hold).customer) == ("lapsed", "cus_1")
    assert held(replace(hold, state=State.FAILED)).state == "none"


@pytest.mark.parametrize("kind", [Kind.CHARGE, Kind.TIP])
def test_what_stripe_says_of_a_charge(kind: Kind) -> None:
    sent = replace(operation(kind, state=State.IN_FLIGHT, outcome=None), params=Request({}))
    facts = Facts("pi_9", "succeeded", 1200, 1200, "usd", charge="ch_9")
    done = recovery.after(sent, Reply("done", facts), now_ms=9)
    assert done is not None
    assert (done.state, done.outcome) == (State.SUCCEEDED, Outcome("captured", 1200, charge="ch_9"))
    no = recovery.after(sent, Reply("declined", code="generic_decline"), now_ms=9)
    assert no is not None
    assert (no.state, no.outcome) == (State.FAILED, Outcome("declined", code="generic_decline"))
    slow = recovery.conclude(sent, replace(facts, status="processing"), now_ms=9)
    assert slow.state is State.UNKNOWN
    asked = recovery.conclude(sent, replace(facts, status="requires_payment_method"), now_ms=9)
    assert asked.state is State.FAILED


@pytest.mark.parametrize(("kind", "case"), [(Kind.CHARGE, "charge_failed"), (Kind.TIP, None)])
def test_a_charge_that_fails_is_put_before_a_person_and_a_tip_is_not(kind: Kind, case: str | None) -> None:
    failed = operation(kind, state=State.FAILED, outcome=Outcome("declined", code="generic_decline"))
    assert recovery.concern(failed) == case
    assert recovery.follow_up(failed, now_ms=1) is None


def refused(attempt: int, payment_method: str = "pm_1") -> Operation:
    failed = operation(Kind.CHARGE, state=State.FAILED, outcome=Outcome("declined", code="generic_decline"))
    body: dict[str, object] = {"customer": "cus_1", "payment_method": payment_method}
    return replace(failed, id=attempt, attempt=attempt, params=Request(body, share=Share(960, "acct_1", 77)))


def test_the_same_card_is_asked_again_by_the_schedule_and_then_no_more() -> None:
    known: list[Operation] = []
    waits_ms = []
    for attempt in range(1, 5):
        known.append(refused(attempt))
        wanted = stand_in.again(known[-1], known, customer="cus_1", payment_method="pm_1", now_ms=5)
        waits_ms.append(None if wanted is None else wanted.at_ms - 5)
        if wanted is not None:
            assert (wanted.attempt, wanted.params.share) == (attempt + 1, Share(960, "acct_1", 77))
    assert waits_ms == [*stand_in.AGAIN_AFTER_MS, None]


def test_another_card_is_asked_at_once_and_counts_for_itself() -> None:
    known = [refused(attempt) for attempt in range(1, 5)]
    wanted = stand_in.again(known[-1], known, customer="cus_1", payment_method="pm_2", now_ms=5)
    assert wanted is not None
    assert (wanted.at_ms, wanted.attempt, wanted.params.body["payment_method"]) == (5, 5, "pm_2")
    known.append(refused(5, "pm_2"))
    wanted = stand_in.again(known[-1], known, customer="cus_1", payment_method="pm_2", now_ms=5)
    assert wanted is not None
    assert wanted.at_ms == 5 + stand_in.AGAIN_AFTER_MS[0]


def test_however_many_cards_there_is_a_last_attempt() -> None:
    last = refused(stand_in.ATTEMPTS_MAX)
    assert stand_in.again(last, [last], customer="cus_1", payment_method="pm_9", now_ms=5) is None


def test_an_attempt_without_effect_is_made_again_with_its_share() -> None:
    failed = operation(Kind.CHARGE, state=State.FAILED, outcome=Outcome("declined", code=recovery.NO_EFFECT))
    failed = replace(failed, params=replace(failed.params, share=Share(960, "acct_1", 77)))
    again = recovery.follow_up(failed, now_ms=1)
    assert again is not None
    assert (again.attempt, again.params.share) == (2, Share(960, "acct_1", 77))


@given(
    currency=st.sampled_from(sorted(money.CURRENCIES)),
    minutes=st.integers(1, 480),
    rate=st.integers(1, 100_000),
)
def test_a_wish_for_more_time_is_held_in_full(currency: str, minutes: int, rate: int) -> None:
    """The hold covers the minutes that were asked for, can be charged, and the cap grows by their price."""
    terms = per_minute(rate, currency=currency)
    amount_minor = holds.further_hold_minor(terms, 0, minutes)
    assert amount_minor >= max(rate * minutes, money.minimum_charge_minor(currency))
    assert amount_minor % money.step_minor(currency) == 0
    assert holds.raised_cap_minor(terms, minutes) - terms.cap_minor == rate * minutes


def test_without_a_wish_the_next_hold_is_as_large_as_the_rule_says() -> None:
    terms = per_minute(300, cap_minor=4_000)
    assert [holds.further_hold_minor(terms, held_minor, 0) for held_minor in (0, 3_000, 4_000)] == [
        3_000,
        1_000,
        0,
    ]
    assert holds.first_hold_minor(replace(terms, hold_minutes=2)) == 600
