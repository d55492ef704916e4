"""Whatever somebody writes, the rules answer, and what they answer fits the text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rooms.safety.detectors import card
from rooms.safety.normalise import Text
from rooms.safety.window import Window
from tests.unit.rooms.safety.labelled import ORDINARY, TUNED, Labelled, book, judged, label_of, lines

# Cyrillic letters that nobody can tell from these.
LOOKALIKES = str.maketrans(
    "aceiopxyACEHKMOPTX",
    "\u0430\u0441\u0435\u0456\u043e\u0440\u0445\u0443"
    "\u0410\u0421\u0415\u041d\u041a\u041c\u041e\u0420\u0422\u0425",
)
INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\ufe0f"
# Said once, plainly, and long enough to be disguised; a wallet's address is nothing but its exact characters.
PLAIN = [
    line
    for line in lines(*TUNED)
    if line.label not in (ORDINARY, "spam") and len(line.messages) == 1 and "0x" not in line.messages[0]
]
TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)
DIGITS = st.text("0123456789 -.٤②", min_size=12, max_size=60)


@settings(deadline=None)
@given(text=TEXTS, before=st.lists(TEXTS, max_size=4))
def test_the_rules_always_answer(text: str, before: list[str]) -> None:
    verdict = judged(book(), (*before, text))
    for finding in (verdict.finding, *verdict.also, *verdict.shadow):
        if finding is not None:
            assert 0 <= finding.start < finding.end <= len(text)
    assert verdict.masked == (verdict.text != text)


@given(line=st.sampled_from(PLAIN), data=st.data())
@settings(max_examples=300, deadline=None)
def test_what_cannot_be_seen_hides_nothing(line: Labelled, data: st.DataObject) -> None:
    [text] = line.messages
    places = data.draw(st.lists(st.integers(0, len(text)), max_size=6).map(sorted))
    for place in reversed(places):
        text = text[:place] + data.draw(st.sampled_from(INVISIBLE)) + text[place:]
    assert label_of(judged(book(), (text,))) == line.label


@given(line=st.sampled_from(PLAIN), data=st.data())
@settings(max_examples=300, deadline=None)
def test_letters_that_look_alike_are_alike(line: Labelled, data: st.DataObject) -> None:
    [text] = line.messages
    swapped = "".join(char.translate(LOOKALIKES) if data.draw(st.booleans()) else char for char in text)
    assert label_of(judged(book(), (swapped,))) == line.label


@settings(deadline=None)
@given(text=DIGITS)
def test_no_card_is_left_after_masking(text: str) -> None:
    verdict = book().check(text, Window(), now_ms=0)
    assert card.spans(Text(verdict.text)) == []


@pytest.mark.parametrize(
    "text", ["", " ", "\u200b", "\0", "\ud800", "\U000e0041" * 50, "e\u0301" * 900, "🏳️‍🌈"]
)
def test_odd_texts_are_texts(text: str) -> None:
    assert book().check(text, Window(), now_ms=0).action == "allow"
