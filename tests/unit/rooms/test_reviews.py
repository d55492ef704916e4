"""Of which session a review may be written, and what may stand in it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms import reviews
from rooms.reviews import PAID_MIN_MS, TEXT_MAX, WRITE_WITHIN_MS, Attended, UnfitText
from rooms.safety.verdict import Category, Finding, Verdict

GOOD = Attended(True, True, PAID_MIN_MS, 1_000)


@pytest.mark.parametrize(
    ("part", "now_ms", "why"),
    [
        (GOOD, 1_000, None),
        (GOOD, 1_000 + WRITE_WITHIN_MS, None),
        (GOOD, 1_001 + WRITE_WITHIN_MS, "late"),
        (Attended(True, True, PAID_MIN_MS - 1, 1_000), 1_000, "short"),
        (Attended(True, False, PAID_MIN_MS, 1_000), 1_000, "unpaid"),
        (Attended(False, True, PAID_MIN_MS, 1_000), 1_000, "unsettled"),
        (Attended(True, True, PAID_MIN_MS, None), 1_000, "unsettled"),
    ],
)
def test_which_session_has_one(part: Attended, now_ms: int, why: str | None) -> None:
    assert reviews.unfit(part, now_ms=now_ms) == why


def finding(category: Category) -> Finding:
    return Finding("r", "1", category, "high", "flag", 0, 1)


def test_what_becomes_of_words() -> None:
    assert reviews.becomes(Verdict("allow", "x"), watched=False) == "published"
    assert reviews.becomes(Verdict("flag", "x", finding(Category.MINOR)), watched=False) == "published"
    assert reviews.becomes(Verdict("hold", "x", finding(Category.CONTACT)), watched=False) == "pending"
    assert reviews.becomes(Verdict("allow", "x"), watched=True) == "pending"
    assert reviews.becomes(Verdict("flag", "x", finding(Category.DISTRESS)), watched=False) == "pending"
    also = Verdict("flag", "x", finding(Category.MINOR), also=(finding(Category.DISTRESS),))
    assert reviews.becomes(also, watched=False) == "pending"
    assert reviews.becomes(Verdict("block", "x", finding(Category.LINK)), watched=True) == "blocked"


@given(st.text(max_size=200))
def test_nothing_unseen_is_left_and_twice_changes_nothing(given: str) -> None:
    try:
        text = reviews.worded(given)
    except UnfitText:
        return
    assert 0 < len(text) <= TEXT_MAX
    assert {unicodedata.category(one) for one in text if one not in "\n\t\u200c\u200d"}.isdisjoint(
        {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    )
    assert reviews.worded(text) == text


@pytest.mark.parametrize(
    ("name", "shown"),
    [("Ada Lovelace", "Ada"), ("", "A guest"), ("  Zoé\u202e X", "Zoé"), ("123 45", "A guest")],
)
def test_strangers_know_a_first_name(name: str, shown: str) -> None:
    assert reviews.signed(name) == shown
