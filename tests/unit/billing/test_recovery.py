from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from billing import recovery, requests
from billing.payment import (
    TERMINAL,
    Facts,
    Kind,
    Operation,
    Outcome,
    Reply,
    Request,
    State,
    Wanted,
    idempotency_key,
)
from tests.unit.billing.terms import SESSION

SENT_MS = 1_000_000
HOUR_MS = 3_600_000


def operation(kind: Kind = Kind.HOLD, **changes: Any) -> Operation:
    target = "pi_1" if kind in (Kind.CAPTURE, Kind.CANCEL) else None
    body: dict[str, object] = {"metadata": {"session_id": SESSION, "operation": f"1:{kind.value}:1:1"}}
    found = Operation(
        7, SESSION, 1, kind, 1, 1, 1200, "usd", Request(body, target), "key", State.IN_FLIGHT, None, None,
        SENT_MS, SENT_MS, 0, SENT_MS,
    )  # fmt: skip
    return replace(found, **changes)


def intent(status: str, **changes: Any) -> Facts:
    return replace(Facts("pi_1", status, 1200, 0, "usd", charge="ch_1"), **changes)


def test_the_key_is_the_same_each_time_and_differs_by_attempt() -> None:
    wanted = Wanted(Kind.HOLD, 2, 100, "usd", Request({}), 0)
    assert idempotency_key("live", SESSION, 1, wanted) == f"allinya:live:{SESSION}:1:hold:2:1"
    assert idempotency_key("live", SESSION, 1, replace(wanted, attempt=2)).endswith(":2:2")


@pytest.mark.parametrize(
    ("kind", "status", "state", "outcome"),
    [
        (Kind.HOLD, "requires_capture", State.SUCCEEDED, "placed"),
        (Kind.HOLD, "requires_action", State.SUCCEEDED, "action_required"),
        (Kind.HOLD, "requires_payment_method", State.FAILED, "declined"),
        (Kind.HOLD, "requires_confirmation", State.FAILED, "declined"),
        (Kind.HOLD, "canceled", State.FAILED, "canceled"),
        (Kind.CAPTURE, "succeeded", State.SUCCEEDED, "captured"),
        (Kind.CAPTURE, "canceled", State.FAILED, "canceled"),
        (Kind.CAPTURE, "requires_capture", State.FAILED, "refused"),
        (Kind.CANCEL, "canceled", State.SUCCEEDED, "canceled"),
        (Kind.CANCEL, "succeeded", State.FAILED, "captured"),
        (Kind.TRANSFER, "paid", State.SUCCEEDED, "transferred"),
    ],
)
def test_what_is_there_decides(kind: Kind, status: str, state: State, outcome: str) -> None:
    step = recovery.after(operation(kind), Reply("done", intent(status)), now_ms=SENT_MS)
    assert step is not None
    assert step.outcome is not None
    assert (step.state, step.outcome.status, step.stripe_id) == (state, outcome, "pi_1")


@pytest.mark.parametrize("answer", ["lost", "not_now", "error"])
@pytest.mark.parametrize("kind", list(Kind))
def test_without_an_answer_it_is_tried_again_under_the_same_key(kind: Kind, answer: Any) -> None:
    step = recovery.after(operation(kind), Reply(answer), now_ms=SENT_MS + 10)
    assert step == recovery.Step(State.UNKNOWN, next_at_ms=SENT_MS + 10 + recovery.RETRY_MIN_MS)


@pytest.mark.parametrize("reply", [Reply("error", replayed=True), Reply("mismatch")])
@pytest.mark.parametrize("kind", list(Kind))
def test_a_stored_error_leads_to_a_look(kind: Kind, reply: Reply) -> None:
    assert recovery.after(operation(kind), reply, now_ms=SENT_MS) is None


def test_a_refusal_is_believed_of_what_is_new_and_looked_into_of_what_acts_on_an_intent() -> None:
    refused = Reply("refused", code="amount_too_small")
    hold = recovery.after(operation(Kind.HOLD), refused, now_ms=SENT_MS)
    assert hold is not None
    assert hold.outcome == Outcome("declined", code="amount_too_small")
    assert recovery.after(operation(Kind.CAPTURE), refused, now_ms=SENT_MS) is None
    assert recovery.after(operation(Kind.CANCEL), refused, now_ms=SENT_MS) is None


@given(st.integers(0, 30 * 24 * HOUR_MS))
def test_retries_grow_apart_up_to_a_limit(age_ms: int) -> None:
    step = recovery.retry(operation(), now_ms=SENT_MS + age_ms)
    assert step.next_at_ms is not None
    wait_ms = step.next_at_ms - SENT_MS - age_ms
    assert recovery.RETRY_MIN_MS <= wait_ms <= recovery.RETRY_MAX_MS


def test_a_key_is_not_used_after_twenty_three_hours() -> None:
    assert not recovery.must_look_up(operation(), SENT_MS + 23 * HOUR_MS - 1)
    assert recovery.must_look_up(operation(), SENT_MS + 23 * HOUR_MS)
    assert not recovery.must_look_up(operation(first_sent_at_ms=None), 10**15)


def test_only_what_was_never_sent_is_abandoned() -> None:
    waiting = replace(operation().params, abandon_at_ms=500)
    assert recovery.is_abandoned(operation(state=State.PENDING, params=waiting), 500)
    assert not recovery.is_abandoned(operation(state=State.PENDING, params=waiting), 499)
    assert not recovery.is_abandoned(operation(state=State.IN_FLIGHT, params=waiting), 500)
    assert not recovery.is_abandoned(operation(state=State.PENDING), 10**15)


STATUSES = [
    "requires_payment_method", "requires_confirmation", "requires_action", "processing", "requires_capture",
    "succeeded", "canceled",
]  # fmt: skip
RANK = {"action_required": 0, "placed": 1, "declined": 1, "canceled": 2}


@given(st.sampled_from(STATUSES), st.lists(st.sampled_from(STATUSES), max_size=8))
def test_news_of_a_hold_only_moves_it_forward(first: str, later: list[str]) -> None:
    step = recovery.conclude(operation(), intent(first), now_ms=SENT_MS)
    if step.state not in TERMINAL or step.outcome is None:
        return
    known = operation(state=step.state, outcome=step.outcome)
    for status in later:
        news = recovery.advance(known, intent(status))
        if news is None:
            continue
        assert known.outcome is not None
        assert news.outcome is not None
        assert RANK[news.outcome.status] > RANK[known.outcome.status]
        known = replace(known, state=news.state, outcome=news.outcome)


def test_what_had_no_effect_is_wanted_again_at_once_under_a_new_name() -> None:
    failed = operation(state=State.FAILED, outcome=recovery.absent(operation()).outcome)
    wanted = recovery.follow_up(failed, now_ms=5)
    assert wanted is not None
    assert (wanted.attempt, wanted.at_ms) == (2, 5)
    metadata = wanted.params.body["metadata"]
    assert metadata == {"session_id": SESSION, "operation": "1:hold:1:2"}
    assert recovery.follow_up(replace(failed, attempt=recovery.ATTEMPTS_MAX), now_ms=5) is None


def test_what_has_no_effect_again_and_again_outlasts_a_bad_day_at_stripe() -> None:
    failed = operation(Kind.TRANSFER, state=State.FAILED, outcome=recovery.absent(operation()).outcome)
    delays = []
    for attempt in range(1, recovery.ATTEMPTS_MAX):
        wanted = recovery.follow_up(replace(failed, attempt=attempt), now_ms=0)
        assert wanted is not None
        delays.append(wanted.at_ms)
    assert delays == sorted(delays)
    assert sum(delays) >= recovery.SAME_KEY_MS


@pytest.mark.parametrize("kind", [Kind.CAPTURE, Kind.CANCEL])
@pytest.mark.parametrize("refused", [None, "lock_timeout"])
def test_what_ends_a_hold_is_wanted_as_long_as_the_hold_stands(kind: Kind, refused: str | None) -> None:
    step = recovery.conclude(operation(kind), intent("requires_capture"), refused=refused, now_ms=0)
    failed = operation(kind, state=step.state, outcome=step.outcome)
    assert recovery.delay_concern(failed) is None
    late = replace(failed, attempt=30)
    wanted = recovery.follow_up(late, now_ms=0)
    assert wanted is not None
    assert wanted.attempt == 31
    assert HOUR_MS <= wanted.at_ms <= recovery.ATTEMPT_DELAY_MAX_MS
    assert recovery.delay_concern(late) == f"{kind.value}_delayed"


def test_a_declined_card_is_not_tried_again_and_is_no_case() -> None:
    declined = operation(state=State.FAILED, outcome=Outcome("declined", code="generic_decline"))
    assert recovery.follow_up(declined, now_ms=5) is None
    assert recovery.concern(declined) is None


def test_a_refused_transfer_is_tried_later_and_one_without_a_charge_never() -> None:
    refused = operation(Kind.TRANSFER, state=State.FAILED, outcome=Outcome("refused", code="balance"))
    later = recovery.follow_up(refused, now_ms=5)
    assert later is not None
    assert later.at_ms > HOUR_MS
    without = replace(refused, outcome=recovery.NOT_CAPTURED.outcome)
    assert recovery.follow_up(without, now_ms=5) is None
    assert recovery.concern(without) is None  # The capture that failed has told already.


def test_a_capture_that_failed_or_differs_is_a_case() -> None:
    gone = operation(Kind.CAPTURE, state=State.FAILED, outcome=Outcome("canceled"))
    assert recovery.concern(gone) == "capture_failed"
    less = operation(Kind.CAPTURE, state=State.SUCCEEDED, outcome=Outcome("captured", 1199))
    assert recovery.concern(less) == "capture_differs"
    assert recovery.concern(replace(less, outcome=Outcome("captured", 1200))) is None


def refused_promotion(code: str, attempt: int) -> Operation:
    outcome = Outcome("refused", code=code)
    return operation(
        Kind.TRANSFER, ordinal=requests.PROMOTION, state=State.FAILED, outcome=outcome, attempt=attempt
    )


def test_what_the_balance_does_not_cover_is_asked_for_as_often_as_it_takes() -> None:
    waits = []
    for attempt in range(1, 40):
        refused = refused_promotion("balance_insufficient", attempt)
        wanted = recovery.follow_up(refused, now_ms=SENT_MS)
        assert wanted is not None
        assert (wanted.attempt, wanted.amount_minor) == (attempt + 1, refused.amount_minor)
        waits.append((wanted.at_ms - SENT_MS) // HOUR_MS)
    assert waits[:7] == [1, 2, 4, 8, 16, 24, 24]
    assert set(waits[7:]) == {24}


def test_that_one_of_many_attempts_got_lost_ends_nothing() -> None:
    wanted = recovery.follow_up(refused_promotion(recovery.NO_EFFECT, 30), now_ms=SENT_MS)
    assert wanted is not None
    assert (wanted.attempt, wanted.at_ms) == (31, SENT_MS + recovery.NO_EFFECT_AFTER_MS[-1])


@pytest.mark.parametrize(
    ("ordinal", "code"), [(1, "balance_insufficient"), (requests.PROMOTION, "account_closed")]
)
def test_any_other_refusal_is_a_persons_in_the_end(ordinal: int, code: str) -> None:
    refused = replace(refused_promotion(code, recovery.ATTEMPTS_MAX), ordinal=ordinal)
    assert not recovery.waits_for_balance(refused)
    assert recovery.follow_up(refused, now_ms=0) is None
    assert recovery.concern(refused) == "transfer_failed"
