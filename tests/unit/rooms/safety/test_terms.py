"""How terms are written, and where they are found."""

import pytest

from rooms.safety.normalise import Text
from rooms.safety.terms import Lists, Terms


def found(text: str, *terms: str, allowed: tuple[str, ...] = ()) -> list[str]:
    spans = Terms({"a": Lists(terms, allowed)}).find(Text(text)).get("a", [])
    return [text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("I live in Scunthorpe", "cunt"),
        ("my therapist", "rapist"),
        ("assess the bass", "ass"),
        ("skill myself", "kill myself"),
        ("a 55 year old", "ass"),
    ],
)
def test_nothing_is_found_inside_a_word(text: str, term: str) -> None:
    assert found(text, term) == []


@pytest.mark.parametrize(
    "text",
    [
        "kill myself", "KILL MYSELF", "k i l l m y s e l f", "k.i.l.l-m.y.s.e.l.f", "kil lmys elf",
        "k1ll my$elf", "kiiilll myseeelf", "ki\u200bll mysel\u0301f",
        "\uff4b\uff49\uff4c\uff4c myself", "k\u0456ll m\u0443self",
        "kill, myself", "\u24d0 kill myself",
    ],
)  # fmt: skip
def test_disguises_fall(text: str) -> None:
    [hit] = found(text, "kill myself")
    assert hit in text


def test_a_hit_is_given_as_it_stands_in_the_text() -> None:
    assert found("oh, K\u200bi.l.l MYSELF!", "kill myself") == ["K\u200bi.l.l MYSELF"]


def test_choices_gaps_and_endings() -> None:
    term = "(pay|send) (me |) ... (direct*|cash)"
    assert found("pay me directly", term) == ["pay me directly"]
    assert found("send it all in cash", term) == ["send it all in cash"]
    assert found("pay for one two three four cash", term) == []
    assert found("payment in cash", term) == []


def test_long_choices_are_cut_into_steps_that_still_join() -> None:
    many = "(" + "|".join(f"word{letter}" for letter in "abcdefghijklmnop") + ")"
    assert found("worda wordb wordc", f"{many} {many} {many}") == ["worda wordb wordc"]
    assert found("worda wordb other wordc", f"{many} {many} {many}") == []


def test_what_is_allowed_covers_what_it_holds() -> None:
    allowed = ("kill the pain", "(he|she) said ... hurt you")
    assert found("how to kill the pain", "kill", allowed=allowed) == []
    assert found("he said that one fine day he would hurt you", "hurt you", allowed=allowed) == []
    assert found("kill the pain or kill him", "kill", allowed=allowed) == ["kill"]


def test_apostrophes_and_accents_do_not_matter() -> None:
    for text in ("je n'ai plus l'envie", "je n\u2019ai plus l\u2019envie", "JE N AI PLUS L ENVIE"):
        assert len(found(text, "n ai plus l envie")) == 1
    assert len(found("d\u00e9j\u00e0", "deja")) == 1
