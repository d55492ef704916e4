"""Who pays when, case by case: the table stands here a second time, by hand, and settlement keeps to it."""

import ast
from pathlib import Path
from typing import get_args

import pytest
from msgspec.structs import replace

from billing import who_pays
from billing.payment import Kind
from billing.settlement import Settlement, settle
from billing.who_pays import TABLE, Cause
from hub.words import LANGUAGES, WORDS
from rooms import departure
from rooms.room import State
from rooms.session import Because
from tests.unit.billing.terms import over, per_minute, placed

MINUTE_MS = 60_000
# time, free time, tip, earlier charges, a booking that is missed
EXPECTED = {
    "not_begun": ("not_billed", "kept", "closed", "stands", "free"),
    "ended": ("billed", "used", "open", "stands", "free"),
    "practitioner_fault": ("not_billed", "kept", "open", "stands", "free"),
    "practitioner_conduct": ("not_billed", "kept", "closed", "stands", "free"),
    "guest_conduct": ("billed", "used", "closed", "stands", "free"),
    "minor": ("not_billed", "kept", "closed", "refunded", "free"),
    "guest_no_show": ("not_billed", "kept", "closed", "stands", "fee"),
    "practitioner_no_show": ("not_billed", "kept", "closed", "stands", "free"),
    "nobody_came": ("not_billed", "kept", "closed", "stands", "free"),
    "booking_cancelled_early": ("not_billed", "kept", "closed", "stands", "free"),
    "booking_cancelled_late": ("not_billed", "kept", "closed", "stands", "fee"),
    "booking_cancelled_by_practitioner": ("not_billed", "kept", "closed", "stands", "free"),
    "booking_not_held": ("not_billed", "kept", "closed", "stands", "free"),
    "booking_called_off": ("not_billed", "kept", "closed", "stands", "free"),
}
REASONS = {
    "ended_by_guest": "ended",
    "ended_by_practitioner": "ended",
    "line_lost": "ended",
    "funding_over": "ended",
    "session_limit": "ended",
    "practitioner_fault": "practitioner_fault",
    "guest_conduct": "guest_conduct",
    "practitioner_conduct": "practitioner_conduct",
    "minor": "minor",
    "guest_no_show": "guest_no_show",
    "practitioner_no_show": "practitioner_no_show",
    "nobody_came": "nobody_came",
    "next_booking": "ended",
    "booked_time_over": "ended",
    "booking_cancelled_early": "booking_cancelled_early",
    "booking_cancelled_late": "booking_cancelled_late",
    "booking_cancelled_by_practitioner": "booking_cancelled_by_practitioner",
    "booking_not_held": "booking_not_held",
    "booking_called_off": "booking_called_off",
    "not_opened": "booking_called_off",
}


def bill(reason: str, *, minutes: float = 4, free_ms: int = 0) -> Settlement:
    room = over(per_minute(300, free_ms=free_ms), (0, int(minutes * MINUTE_MS)))
    room = replace(room, end_reason=reason)
    return settle(room, room.guests[0], held=(placed(1, 3000),), destination="acct_1")


def test_the_table_says_what_was_promised() -> None:
    rows = {
        cause.value: (row.time, row.free_time, row.tip, row.earlier, row.missed)
        for cause, row in TABLE.items()
    }
    assert rows == EXPECTED
    assert {row.away for row in TABLE.values()} == {"not_billed"}
    assert {row.small for row in TABLE.values()} == {"waived"}


@pytest.mark.parametrize(("reason", "cause"), REASONS.items())
def test_settlement_keeps_to_it(reason: str, cause: str) -> None:
    assert who_pays.cause(reason) == cause
    bills = EXPECTED[cause][0] == "billed"
    settlement = bill(reason)
    assert settlement.subtotal_minor == 1200
    assert settlement.total_minor == (1200 if bills else 0)
    assert settlement.waived == (None if bills else cause)
    kinds = [operation.kind for operation in settlement.operations]
    assert kinds == ([Kind.CAPTURE, Kind.TRANSFER] if bills else [Kind.CANCEL])
    assert sum(entry.amount_minor for entry in settlement.ledger) == 0
    assert bool(settlement.ledger) == bills


@pytest.mark.parametrize(("reason", "cause"), REASONS.items())
def test_free_time_counts_as_used_only_where_time_is_billed(reason: str, cause: str) -> None:
    used = EXPECTED[cause][1] == "used"
    assert bill(reason, free_ms=MINUTE_MS).free_ms == (MINUTE_MS if used else 0)


@pytest.mark.parametrize("reason", REASONS)
def test_below_the_minimum_nobody_pays(reason: str) -> None:
    assert bill(reason, minutes=0.1).total_minor == 0


@pytest.mark.parametrize(
    "reason", ["cancelled_by_guest", "declined", "ring_timeout", "not_joined", "hold_timeout"]
)
def test_what_never_began_costs_nothing_and_releases_the_hold(reason: str) -> None:
    room = replace(over(per_minute(300), state=State.CANCELLED), end_reason=reason)
    settlement = settle(room, room.guests[0], held=(placed(1, 3000),))
    assert (settlement.total_minor, settlement.waived) == (0, None)
    assert [operation.kind for operation in settlement.operations] == [Kind.CANCEL]


def test_every_reason_that_the_rules_know_has_its_cause() -> None:
    """Whatever text stands where a rule closes a session."""
    known = set(get_args(Because)) | {"ended_by_guest", "ended_by_practitioner"}
    for path in Path(departure.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "close":
                known |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    assert {"line_lost", "funding_over", "not_joined", "declined"} <= known
    for reason in known:
        assert who_pays.cause(reason).value in (reason, "ended", "not_begun")
        assert reason in who_pays._CAUSES


@pytest.mark.parametrize("language", LANGUAGES)
def test_people_can_read_all_of_it(language: str) -> None:
    words = WORDS[language]  # type: ignore[index]
    assert set(words.causes) == {cause.value for cause in Cause}
    money = {"free_time", "minimum", "maximum", "holds", "tip", "owed", "held_for_review"}
    assert set(words.always) == {"away", "bookings", "live_rooms"} | money
    assert "$12.00" in words.refused["owed"].format(amount="$12.00")
    waived = {cause.value for cause, row in TABLE.items() if row.time == "not_billed"}
    assert set(words.waived) == waived | {"below_minimum", "unfunded"}
    for rule in (*words.causes.values(), *words.always.values()):
        assert rule.title
        assert len(rule.text) > 20
