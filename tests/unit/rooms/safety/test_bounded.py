"""No text makes the rules work more than its length allows.

Steps in Python are counted as they are made; for patterns, whose steps cannot be seen, their structure is
looked at: nothing that repeats without bound may lie within something that repeats.
"""

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]
from typing import Any

import pytest

import rooms.safety
from rooms.safety.window import Window
from tests.unit.rooms.safety.labelled import book

LENGTH = 2_000
STEPS_PER_CHARACTER = 120
INNER_WORK_MAX = 2_000
"""Ways in which one nested repetition may be gone through from one place."""

HOSTILE = {
    "digits": "1" * LENGTH,
    "digits apart": "1 " * (LENGTH // 2),
    "numbers in words": "one " * (LENGTH // 4),
    "quatre-vingt": "quatre vingt " * (LENGTH // 13),
    "dots": "a." * (LENGTH // 2),
    "labels": "a-" * (LENGTH // 2),
    "ats": "a@" * (LENGTH // 2),
    "at dot": "a at b dot " * (LENGTH // 11),
    "accounts": "fr76" * (LENGTH // 4),
    "cards": "4242 4242 4242 4242 " * (LENGTH // 20),
    "terms": "kill myself " * (LENGTH // 12),
    "beginnings of terms": "pay send buy " * (LENGTH // 13),
    "one letter": "a" * LENGTH,
    "letters apart": "i " * (LENGTH // 2),
    "zalgo": "e" + "\u0301" * (LENGTH - 1),
    "marks": "\u200b" * LENGTH,
    "brackets": "[(" * (LENGTH // 2),
    "links": "http://a.co/ " * (LENGTH // 13),
    "ages": "i'm " * (LENGTH // 4),
    "handles": "@a " * (LENGTH // 3),
    "blanks": " " * LENGTH,
    "slashes": "j a v a " * (LENGTH // 8),
    "wide": "\ufdfa" * LENGTH,
}


def steps(text: str) -> int:
    """Calls made to judge a text that comes after others like it."""
    window = Window()
    for at_ms in range(16):
        window.add(text, at_ms)
    book().check(text, window, now_ms=20)
    made = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        book().check(text, window, now_ms=20)
    finally:
        sys.setprofile(None)
    return made


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_work_is_bounded_by_length(text: str) -> None:
    assert steps(text) <= STEPS_PER_CHARACTER * LENGTH


def patterns() -> Iterator[tuple[str, str]]:
    for found in pkgutil.walk_packages(rooms.safety.__path__, "rooms.safety."):
        module = importlib.import_module(found.name)
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                yield f"{found.name}.{name}", value.pattern


def inner_work(parsed: Any, *, repeats: int = 1) -> int:
    """The greatest product of bounds that lie within each other; none counts as a text's length."""
    work = repeats
    for operator, argument in parsed:
        if operator in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            _least, most, inner = argument
            bound = LENGTH if most is sre.MAXREPEAT else int(most)
            work = max(work, inner_work(inner, repeats=repeats * bound))
        elif operator is sre.SUBPATTERN:
            work = max(work, inner_work(argument[-1], repeats=repeats))
        elif operator is sre.BRANCH:
            work = max(work, *(inner_work(branch, repeats=repeats) for branch in argument[1]))
        elif operator in (sre.ASSERT, sre.ASSERT_NOT):
            work = max(work, inner_work(argument[1], repeats=repeats))
    return work


def test_no_pattern_repeats_what_repeats_without_bound() -> None:
    found = dict(patterns())
    assert len(found) > 15
    too_much = {name: inner_work(_parser.parse(pattern)) for name, pattern in found.items()}
    assert {name: work for name, work in too_much.items() if work > INNER_WORK_MAX} == {}


def test_the_measure_sees_a_bad_pattern() -> None:
    assert inner_work(_parser.parse(r"(?:a+)+b")) > INNER_WORK_MAX
