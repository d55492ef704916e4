import unicodedata

import pytest

from rooms.countries import COUNTRIES
from rooms.profile import NAME_MAX, UnfitProfile, country, line, name, phone


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Ada", "Ada"),
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("Ada\u00a0Lovelace", "Ada Lovelace"),
        ("Zoe\u0308", "Zo\u00eb"),
        ("Nguyễn Thị Ánh", "Nguyễn Thị Ánh"),
        ("王小明", "王小明"),
        ("O'Brien-Søren Jr.", "O'Brien-Søren Jr."),
        ("אָדָם", unicodedata.normalize("NFC", "אָדָם")),
        ("ศิริพร", "ศิริพร"),
        ("क्षितिज", "क्षितिज"),
        ("Player 1", "Player 1"),
        ("x" * NAME_MAX, "x" * NAME_MAX),
    ],
)
def test_names_of_people_are_kept(given: str, kept: str) -> None:
    assert name(given) == kept
    assert name(kept) == kept


@pytest.mark.parametrize(
    "given",
    [
        "", " ", "\u3000", "x" * (NAME_MAX + 1), "...", "🙂", "a\u202eb", "a\u2066b", "\u200fa", "a\u200bb",
        "a\u200db", "a\ufeff", "a\nb", "a\tb", "a\x00", "a\x1b[31m", "a\x85b", "a\u2028b", "a\u2029b",
        "\u0301a", "a" + "\u0335" * 4, "Z" + "\u0353\u0324\u0326\u0320\u0308", "a\ue000", "a\U000e0041",
        "\u3164", "a\u115f", "a\ud800",
    ],
)  # fmt: skip
def test_what_is_no_name_is_refused(given: str) -> None:
    with pytest.raises(UnfitProfile) as refused:
        name(given)
    assert not given.strip() or given not in str(refused.value)


def test_lines_follow_the_same_rules_with_a_length_of_their_own() -> None:
    assert line("Breath work", 11) == "Breath work"
    with pytest.raises(UnfitProfile):
        line("Breath work", 10)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("+33 6 12 34 56 78", "+33612345678"),
        ("+14155552671", "+14155552671"),
        ("+49 (30) 901820", "+4930901820"),
    ],
)
def test_numbers_are_kept_in_one_form(given: str, kept: str) -> None:
    assert phone(given) == kept


@pytest.mark.parametrize(
    "given",
    [
        "", "0612345678", "+", "+1", "+999123456789", "+3361234567890123", "+33612345678;ext=5",
        "+٣٣٦١٢٣٤٥٦٧٨",
        "tel:+33612345678", "+33612345678" + " " * 40, "+1 415 555", "hello", "++33612345678",
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused(given: str) -> None:
    with pytest.raises(UnfitProfile):
        phone(given)


def test_countries_are_those_of_the_standard() -> None:
    assert len(COUNTRIES) == 249
    assert country("FR") == "FR"
    for given in ("fr", "XX", "EU", "UK", "FRA", "", "F", "F\n"):
        with pytest.raises(UnfitProfile):
            country(given)
