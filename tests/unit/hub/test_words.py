"""What is said to people: the same in every language, and whole."""

import string
from typing import get_args

import pytest

from hub.words import LANGUAGES, WORDS
from rooms.chat import Status
from rooms.safety.verdict import Category

UNSAID = {Category.DISTRESS}
"""A message with these signs is never withheld, so there is nothing to explain."""


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_outcome_and_category_has_words(language: str) -> None:
    words = WORDS[language].because  # type: ignore[index]
    assert words.keys() == {*get_args(Status), *(one.value for one in set(Category) - UNSAID)}
    assert all(words[key] for key in words.keys() - {"sent"})


@pytest.mark.parametrize("language", LANGUAGES)
def test_notices_are_the_same_in_every_language(language: str) -> None:
    notices = WORDS[language].notices  # type: ignore[index]
    assert notices.keys() == WORDS["en"].notices.keys()
    for code, sentence in notices.items():
        assert places(sentence) == places(WORDS["en"].notices[code]), code
        assert sentence.strip() == sentence
