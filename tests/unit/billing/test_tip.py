import pytest
from msgspec.structs import replace

from billing import tip
from billing.payment import Kind, Operation, Outcome, Request, State
from rooms.ids import SessionId
from tests.unit.billing.terms import SESSION

DAY_MS = 86_400_000


def given(amount_minor: int, state: State, *, attempt: int = 1, card: str = "pm_1") -> Operation:
    return Operation(
        id=attempt,
        session_id=SessionId(SESSION),
        participant_no=1,
        kind=Kind.TIP,
        ordinal=1,
        attempt=attempt,
        amount_minor=amount_minor,
        currency="usd",
        params=Request({"payment_method": card}),
        idem_key=f"k{attempt}",
        state=state,
        stripe_id=None,
        outcome=Outcome("captured"),
        first_sent_at_ms=None,
        next_at_ms=0,
        lease_until_ms=0,
        created_at_ms=0,
    )


@pytest.mark.parametrize(
    ("amount_minor", "currency", "fits"),
    [
        (50, "usd", True),
        (49, "usd", False),
        (50_000, "usd", True),
        (50_001, "usd", False),
        (0, "usd", False),
        (-50, "usd", False),
        (50, "jpy", True),
        (200, "kwd", True),
        (205, "kwd", False),
        (10_050, "isk", False),
    ],
)
def test_what_can_be_given(amount_minor: int, currency: str, fits: bool) -> None:
    assert tip.is_amount(amount_minor, currency) is fits


@pytest.mark.parametrize(
    ("reason", "days", "state"),
    [
        ("ended_by_guest", 0, "open"),
        ("line_lost", 30, "open"),
        ("ended_by_guest", 31, "late"),
        ("guest_conduct", 0, "closed"),
        ("practitioner_conduct", 0, "closed"),
        ("minor", 31, "closed"),
    ],
)
def test_until_when_and_for_which_sessions(reason: str, days: int, state: str) -> None:
    assert tip.is_open(reason, 1_000, 1_000 + days * DAY_MS) == state


def test_the_first_wish_is_given() -> None:
    assert tip.wish([], 500, "pm_1") == tip.Wish("give", 1)


@pytest.mark.parametrize(
    ("state", "next_"),
    [(State.PENDING, "wait"), (State.IN_FLIGHT, "wait"), (State.UNKNOWN, "wait"), (State.SUCCEEDED, "given")],
)
def test_the_same_amount_again_is_the_same_tip_and_another_is_refused(state: State, next_: str) -> None:
    known = [given(500, state)]
    for card in ("pm_1", "pm_2"):
        assert tip.wish(known, 500, card).next == next_
        assert tip.wish(known, 501, card).next == "other_amount"


def test_a_declined_one_is_tried_again_with_another_card_only() -> None:
    known = [given(500, State.FAILED)]
    assert tip.wish(known, 500, "pm_1").next == "declined"
    assert tip.wish(known, 700, "pm_2") == tip.Wish("give", 2)
    known.append(given(700, State.FAILED, attempt=2, card="pm_2"))
    assert tip.wish(known, 700, "pm_2").next == "declined"
    assert tip.wish(known, 700, "pm_1") == tip.Wish("give", 3)


def test_not_for_ever() -> None:
    last = replace(given(500, State.FAILED), attempt=tip.ATTEMPTS_MAX)
    assert tip.wish([last], 500, "pm_9").next == "declined"
