"""No cell of a CSV file is a formula, and no text is changed beyond an apostrophe before it."""

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.privacy.exports.cells import FORMULA, cell, harmless, lines

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=50)
STARTS = st.sampled_from([*sorted(FORMULA), "\t", "\r", "\n", " =", "\u200b=", "\ufeff+", "\u00a0@", ""])


def read(written: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(written.decode(), newline="")))


@given(start=STARTS, text=TEXT)
def test_any_text_comes_back_and_is_no_formula(start: str, text: str) -> None:
    given_ = start + text
    [[got, other]] = read(lines([{"a": given_, "b": "x"}], ["a", "b"], head=False))
    assert other == "x"
    # Apostrophes were added, and nothing was taken away.
    assert got.replace("'", "") == given_.replace("'", "")
    assert len(got) == len(given_) or "'" in got
    assert not got.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert not got.strip("\ufeff\u200b \u00a0\t\r\n").startswith(tuple(FORMULA)) or got.startswith("'")


@given(
    text=st.text(st.sampled_from(";\t\r\n=+-@\uff1d \u200bab\"',"), max_size=12),
    between=st.sampled_from([";", "\t"]),
)
def test_a_program_that_separates_otherwise_finds_no_formula(text: str, between: str) -> None:
    """A French spreadsheet expects semicolons: what is one cell here is several there."""
    written = lines([{"a": "x", "b": text, "c": "y"}], ["a", "b", "c"], head=False).decode()
    rows = csv.reader(io.StringIO(written, newline=""), delimiter=between)
    for got in (one for row in rows for one in row):
        assert not got.strip('\u200b \r\n\t"').startswith(tuple(FORMULA)), (text, got)


@given(
    st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.decimals(-9, 9, places=2))
)
def test_numbers_are_numbers(number: Any) -> None:
    [[got]] = read(lines([{"a": number}], ["a"], head=False))
    assert Decimal(got) == Decimal(str(number))


@pytest.mark.parametrize(
    "text",
    [
        '=HYPERLINK("http://x","y")',
        "+1",
        "-1",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "\uff1d1",
        "  =1",
        "\u200b=1",
        "-",
    ],
)
def test_a_formula_gets_an_apostrophe(text: str) -> None:
    assert harmless(text) == f"'{text}"


def test_so_does_one_in_the_middle() -> None:
    assert harmless('so;=1 + "\t\n -2') == "so;'=1 + \"\t\n '-2"
    assert harmless("\t=1") == "'\t'=1"
    assert harmless("a; b = c - d\nor e") == "a; b = c - d\nor e"


@pytest.mark.parametrize("text", ["", "a=b", "1-2", "x@y.example", "'=1", "  ", "\u200b"])
def test_ordinary_text_stays(text: str) -> None:
    assert harmless(text) == text


def test_other_values() -> None:
    assert [cell(value) for value in (None, True, False, 5, -5)] == ["", "true", "false", 5, -5]
    assert cell(["=1", "b"]) == '["=1","b"]'
    assert cell({"a": 1}) == '{"a":1}'


def test_the_columns_come_first_and_lines_end_as_the_format_says() -> None:
    assert lines([{"a": 'say "x"', "b": "1,2\r\n3"}], ["a", "b"], head=True) == (
        b'a,b\r\n"say ""x""","1,2\r\n3"\r\n'
    )
