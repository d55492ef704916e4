"""What is said about bookings: whole, and the same in every language."""

import string

import pytest

from billing.who_pays import Cause
from hub.bookings import telling
from hub.words import LANGUAGES, WORDS


def places(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_are_the_same_in_every_language(language: str) -> None:
    words, english = WORDS[language].bookings, WORDS["en"].bookings  # type: ignore[index]
    assert words.keys() == english.keys()
    for code, sentence in words.items():
        assert places(sentence) == places(english[code]), code
        assert sentence.strip() == sentence


def test_every_way_in_which_a_booking_does_not_take_place_has_its_words() -> None:
    ends = {cause.value for cause in Cause if cause.value.startswith("booking_") or "came" in cause.value}
    ends |= {Cause.GUEST_NO_SHOW.value, Cause.PRACTITIONER_NO_SHOW.value}
    assert ends <= WORDS["en"].bookings.keys()
    assert ends >= telling.GUESTS | telling.OWN
