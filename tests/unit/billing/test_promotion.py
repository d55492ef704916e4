"""The platform pays for free time: exact, once, bounded, and whatever becomes of the guest's price."""

import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billing import ledger, money, price, promotion, requests
from billing.ledger import Account
from billing.payment import Kind, Operation, Outcome, State, Wanted
from billing.promotion import PROMOTED_MAX_MS
from billing.refunding import Deduction
from billing.settlement import Settlement, settle
from hub.words import LANGUAGES, WORDS
from rooms.room import State as RoomState
from rooms.room import Terms
from tests.unit.billing.terms import SESSION, over, per_minute, placed, unfunded
from tests.unit.billing.test_price import terms
from tests.unit.billing.test_rounding import CASES, SEED, nearest

MINUTE_MS = 60_000
HOURS_8_MS = 8 * 60 * MINUTE_MS


def bill(agreed: Terms, minutes: float, *, destination: str | None = "acct_1") -> Settlement:
    room = over(agreed, (0, int(minutes * MINUTE_MS)))
    return settle(room, room.guests[0], held=(placed(1, 3000),), destination=destination)


def promotions(settlement: Settlement) -> list[Wanted]:
    return [one for one in settlement.operations if (one.kind, one.ordinal) == (Kind.TRANSFER, 3_001)]


def test_free_time_is_paid_by_the_platform_beside_what_the_guest_pays() -> None:
    settlement = bill(per_minute(300, free_ms=MINUTE_MS), 4)
    assert (settlement.total_minor, settlement.practitioner_minor, settlement.promotion_minor) == (
        900,
        720,
        240,
    )
    [transfer] = promotions(settlement)
    assert transfer.amount_minor == 240
    assert "source_transaction" not in transfer.params.body
    assert transfer.params.body["transfer_group"] == f"session_{SESSION}"
    assert transfer.params.body["metadata"] == {"session_id": SESSION, "operation": "1:transfer:3001:1"}
    [captured] = [one for one in settlement.operations if one.kind is Kind.TRANSFER and one.ordinal == 1]
    assert (captured.amount_minor, captured.at_ms) == (720, transfer.at_ms)


def test_a_session_that_is_free_altogether_is_paid_too() -> None:
    settlement = bill(per_minute(300, free_ms=5 * MINUTE_MS), 4)
    assert (settlement.subtotal_minor, settlement.total_minor, settlement.promotion_minor) == (0, 0, 960)
    assert [one.kind for one in settlement.operations] == [Kind.CANCEL, Kind.TRANSFER]


def test_a_price_that_is_waived_leaves_the_free_time_payable() -> None:
    settlement = bill(per_minute(300, free_ms=4 * MINUTE_MS), 4.15)
    assert (settlement.subtotal_minor, settlement.total_minor) == (45, 0)
    assert (settlement.waived, settlement.promotion_minor) == ("below_minimum", 960)


def test_without_money_held_the_free_time_is_payable_all_the_same() -> None:
    room = unfunded(over(per_minute(300, free_ms=MINUTE_MS), (0, 4 * MINUTE_MS)))
    settlement = settle(room, room.guests[0], held=(), destination="acct_1")
    assert (settlement.waived, settlement.promotion_minor) == ("unfunded", 240)


def test_the_guests_cap_does_not_take_from_it() -> None:
    settlement = bill(per_minute(300, free_ms=2 * MINUTE_MS, cap_minor=300), 3)
    assert (settlement.total_minor, settlement.promotion_minor) == (300, 480)


def test_the_platform_pays_a_hundred_dollars_worth_a_session_at_most() -> None:
    for currency, most_minor in (("usd", 10_000), ("jpy", 15_000), ("kwd", 35_000)):
        dear = per_minute(100_000, currency=currency, free_ms=PROMOTED_MAX_MS, cap_minor=300)
        assert promotion.promotion_minor(dear, PROMOTED_MAX_MS, PROMOTED_MAX_MS) == most_minor


def test_without_free_time_or_an_account_nothing_is_wanted() -> None:
    assert (bill(per_minute(300), 4).promotion_minor, promotions(bill(per_minute(300), 4))) == (0, [])
    unpaid = bill(per_minute(300, free_ms=MINUTE_MS), 4, destination=None)
    assert (unpaid.promotion_minor, promotions(unpaid)) == (240, [])


def test_a_session_that_never_was_live_promises_nothing() -> None:
    room = over(per_minute(300, free_ms=MINUTE_MS), state=RoomState.EXPIRED, ordinals=())
    assert settle(room, room.guests[0], held=(placed(1, 3000),), destination="acct_1").promotion_minor == 0


@pytest.mark.parametrize(
    ("reason", "promised"),
    [
        ("ended_by_guest", 240),
        ("line_lost", 240),
        ("guest_conduct", 240),
        ("practitioner_fault", 0),
        ("practitioner_conduct", 0),
        ("minor", 0),
    ],
)
def test_it_is_owed_only_where_free_time_counts_as_used(reason: str, promised: int) -> None:
    room = replace(over(per_minute(300, free_ms=MINUTE_MS), (0, 4 * MINUTE_MS)), end_reason=reason)
    settlement = settle(room, room.guests[0], held=(placed(1, 3000),), destination="acct_1")
    assert settlement.promotion_minor == promised
    assert bool(promotions(settlement)) == bool(promised)


def test_the_platform_pays_for_a_quarter_of_an_hour_at_most() -> None:
    hour = per_minute(300, free_ms=60 * MINUTE_MS, fee_bps=0)
    assert PROMOTED_MAX_MS == 15 * MINUTE_MS
    assert [promotion.promotion_minor(hour, n * MINUTE_MS, n * MINUTE_MS) for n in (10, 15, 16, 60)] == [
        3_000, 4_500, 4_500, 4_500,
    ]  # fmt: skip
    assert bill(replace(hour, cap_minor=3_000), 61).promotion_minor == 4_500


@pytest.mark.parametrize("language", LANGUAGES)
def test_people_are_told_of_the_limit(language: str) -> None:
    said = WORDS[language].always["free_time"].text  # type: ignore[index]
    assert f"{PROMOTED_MAX_MS // MINUTE_MS} minutes" in said


def test_a_flat_price_is_what_free_time_is_worth_until_it_is_due() -> None:
    flat = replace(per_minute(0, free_ms=5 * MINUTE_MS, cap_minor=2_000), kind="flat")
    assert (bill(flat, 4).total_minor, bill(flat, 4).promotion_minor) == (0, 1_600)
    assert (bill(flat, 6).total_minor, bill(flat, 6).promotion_minor) == (2_000, 0)


def test_ten_thousand_promotions_are_the_exact_ones_rounded_once() -> None:
    chance = random.Random(SEED)
    currencies = sorted(money.CURRENCIES)
    for number in range(CASES):
        currency = currencies[number % len(currencies)]
        least, step = money.minimum_charge_minor(currency), money.step_minor(currency)
        rate, bps = chance.randint(1, 20 * least), chance.randint(0, 10_000)
        billed_ms = chance.randint(0, 3_600_000)
        given_ms = chance.choice([billed_ms, chance.randint(0, 1_800_000)])
        agreed = per_minute(rate, currency=currency, fee_bps=bps, free_ms=given_ms, cap_minor=10**12)
        free_ms = min(billed_ms, given_ms)
        paid_ms, covered_ms = billed_ms - free_ms, min(free_ms, 900_000)

        def worth(used_ms: int, rate: int = rate, step: int = step) -> int:
            return nearest(Fraction(rate * used_ms, 60_000), step)

        gross = worth(paid_ms + covered_ms) - worth(paid_ms)
        promised = promotion.promotion_minor(agreed, billed_ms, free_ms)
        assert promised % step == 0
        # Its own fee, to less than a step: what is over or under is the guest's part's.
        most_minor = promotion.SESSION_MAX_UNITS * money.unit_minor(currency)
        assert abs(promised - min(gross * Fraction(10_000 - bps, 10_000), Fraction(most_minor))) < step
        # Exact in all: as if one guest had paid for the whole time.
        whole, own = worth(paid_ms + covered_ms), worth(paid_ms)
        fees = [price.fee_minor(agreed, total) for total in (whole, own)]
        assert promised == min(whole - fees[0] - (own - fees[1]), most_minor)


@given(terms(), st.integers(0, HOURS_8_MS), st.integers(0, HOURS_8_MS))
def test_it_is_never_negative_and_never_above_the_price_of_the_limit(
    agreed: Terms, billed_ms: int, used_ms: int
) -> None:
    free_ms = min(billed_ms, agreed.free_ms, used_ms)
    covered = Fraction(agreed.rate_minor_per_minute * min(free_ms, PROMOTED_MAX_MS), MINUTE_MS)
    step = money.step_minor(agreed.currency)
    assert 0 <= promotion.promotion_minor(agreed, billed_ms, free_ms) <= covered + step


def test_the_ledger_has_the_platform_bear_it() -> None:
    entries = ledger.promoted(240, "usd")
    assert [(entry.account, entry.amount_minor) for entry in entries] == [
        (Account.PLATFORM_PROMOTIONS, 240),
        (Account.PRACTITIONER_PAYABLE, -240),
    ]
    assert ledger.promoted(0, "usd") == ()


def transfer(
    state: State, amount_minor: int, *, ordinal: int = requests.PROMOTION, attempt: int = 1
) -> Operation:
    wanted = requests.promotion(
        SESSION, 1, amount_minor=amount_minor, currency="usd", destination="acct_1", at_ms=0
    )
    outcome = Outcome("transferred", amount_minor) if state is State.SUCCEEDED else None
    return Operation(
        attempt, SESSION, 1, Kind.TRANSFER, ordinal, attempt, amount_minor, "usd", wanted.params, "key",
        state, "tr_1", outcome, 0, 0, 0, 0,
    )  # fmt: skip


def test_what_is_due_is_what_was_promised_less_what_arrived_and_what_a_debt_took() -> None:
    kept = Deduction(1, "netting", None, 0, 40)
    of_a_charge = Deduction(2, "refund", "ch_1", 900, 720)
    known = [transfer(State.FAILED, 240), transfer(State.SUCCEEDED, 720, ordinal=1)]

    def due(*more: Operation, participant_no: int = 1) -> int:
        return promotion.due_minor(
            [*known, *more], [kept, of_a_charge], participant_no=participant_no, promotion_minor=240
        )

    assert due() == 200
    assert due(transfer(State.SUCCEEDED, 200, attempt=2)) == 0
    assert due(transfer(State.SUCCEEDED, 200, attempt=2), participant_no=2) == 200
