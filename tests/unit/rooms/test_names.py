"""Names that would deceive or disturb are tamed where they enter; names of people stay as they are."""

import pytest

from rooms.names import MARKS_MAX, NAME_MAX, displayed

KEPT = [
    "Anna Müller",
    "Nguyễn Thị Hằng",
    "עִבְרִית",
    "محمد",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "क्\u200dष",
    "界 王",
    "O'Brien-Smith",
    "Zoë 🌿",
]


@pytest.mark.parametrize("name", KEPT)
def test_a_name_stays_as_it_is(name: str) -> None:
    assert displayed(name) == name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\u202egpj.esilA", "gpj.esilA"),
        ("Al\u200bl\u2060i\ufeffn\u00adya", "Allinya"),
        ("All\u200dinya", "Allinya"),
        ("A\u2066li\u2069ce", "Alice"),
        ("two\nlines\u2028and\tmore", "two lines and more"),
        ("  wide \u00a0\u3000 space ", "wide space"),
        ("\U000e0041\U000e0042tagged", "tagged"),
        ("a\u0000b", "a b"),
        ("\ue000private", "private"),
        ("\u0301 leading", "leading"),
        ("", ""),
        ("\u200b", ""),
    ],
)
def test_what_deceives_is_left_out(name: str, shown: str) -> None:
    assert displayed(name) == shown


def test_piles_of_marks_are_cut() -> None:
    shown = displayed("Z" + "\u0335\u0321\u0349" * 40 + "oe")
    assert len(shown) == 3 + MARKS_MAX
    assert displayed(shown) == shown


def test_a_name_is_bounded_and_final() -> None:
    shown = displayed("x " * 500)
    assert len(shown) <= NAME_MAX
    assert displayed(shown) == shown
