"""The 7-bit alphabet, and what people write back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rooms import texting
from rooms.texting import meaning, places, plain


def test_the_alphabet_has_its_128_places() -> None:
    # 127 letters, and the way to the extended ones.
    assert len(texting.BASIC) == 127
    assert not texting.BASIC & texting.EXTENDED


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("abc", 3), ("é è à ù", 7), ("€", 2), ("[x]", 5), ("ê", None), ("ç", None)]
)
def test_places(text: str, count: int | None) -> None:
    assert places(text) == count


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Zoë", "Zoe"),
        ("François Lefêvre", "Francois Lefevre"),
        ("Élodie", "Élodie"),
        ("L\u2019Œil \u2013 Łucja", "L'OEil - Lucja"),
        ("Ж", None),
        ("心", None),
    ],
)
def test_names_lose_no_letter(text: str, written: str | None) -> None:
    assert plain(text) == written


@given(st.text(max_size=40))
def test_what_is_plain_fits(text: str) -> None:
    written = plain(text)
    if written is not None:
        assert places(written) is not None


@pytest.mark.parametrize(
    "text", ["STOP", " stop\n", "Stop.", "Arrêt", "ARRET", "stop  all", "Quit", "cancel!"]
)
def test_stop(text: str) -> None:
    assert meaning(text)[0] == "stop"


@pytest.mark.parametrize(
    ("text", "told", "theirs"),
    [
        ("START", "start", True),
        ("Oui", "start", False),
        ("help", "help", True),
        ("AIDE", "help", False),
        ("arrêt", "stop", False),
        ("please don't stop", "other", False),
        ("", "other", False),
        ("STOP it, I like this", "other", False),
    ],
)
def test_other_words(text: str, told: str, theirs: bool) -> None:
    assert meaning(text) == (told, theirs)
