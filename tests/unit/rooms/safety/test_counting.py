"""Whoever counts breaths or numbers what they say splits no number; whoever splits one does not count."""

import uuid
from collections.abc import Sequence

import pytest

from hub.safety import rules
from rooms.safety.rules import Rules
from rooms.safety.window import Window


@pytest.fixture(scope="module")
def book() -> Rules:
    return rules.load()


def withheld(book: Rules, texts: Sequence[str], apart_ms: int = 2_000) -> list[str]:
    window, found = Window(), []
    for number, text in enumerate(texts):
        if book.check(text, window, now_ms=number * apart_ms).action in ("hold", "block"):
            found.append(text)
        window.add(text, number * apart_ms)
    return found


@pytest.mark.parametrize(
    "texts",
    [
        [str(n) for n in range(1, 61)],
        [str(n) for n in range(30, 0, -1)],
        [
            "breathe in",
            "1",
            "2",
            "3",
            "4",
            "hold",
            "1",
            "2",
            "3",
            "4",
            "breathe out",
            "1",
            "2",
            "3",
            "4",
            "5",
        ],
        [f"message {n}" for n in range(200)],
        [f"g{n // 20}- {n % 20}" for n in range(60)],
        [f"line {n} of 500" for n in range(90, 120)],
        [f"4155 says {n}" for n in range(1, 100)],
        [str(uuid.UUID(int=n**9, version=4)) for n in range(1, 200)],
        [uuid.UUID(int=n**9, version=4).hex for n in range(1, 200)],
    ],
)
def test_counting_is_no_number(book: Rules, texts: list[str]) -> None:
    assert withheld(book, texts) == []


@pytest.mark.parametrize(
    "texts",
    [
        ["4", "15", "26", "71", "234"],
        ["+33 6", "12", "34", "56", "78"],
        ["one", "my number is", "415", "267 1234"],
    ],
)
def test_a_split_number_is_one(book: Rules, texts: list[str]) -> None:
    assert withheld(book, texts)
