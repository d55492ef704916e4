"""A person's name as others see it: what cannot be seen, or reorders and piles up what can, is left out."""

import unicodedata
from typing import Final

MARKS_MAX: Final = 3
"""Combining marks on one letter. No living script needs more in a name; piles of them cover other lines."""
NAME_MAX: Final = 100

_JOINERS: Final = frozenset("\u200c\u200d")


def displayed(name: str) -> str:
    """The name in normal form C, without invisible and directional marks, at most `NAME_MAX` characters."""
    shown: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", name):
        kind = unicodedata.category(character)
        if kind in ("Mn", "Me"):
            marks += 1
            if marks > MARKS_MAX or not shown or shown[-1] == " ":
                continue
        else:
            marks = 0
        if kind in ("Cc", "Zl", "Zp", "Zs"):
            character = " "
        elif kind[0] == "C" and not _joins(character, shown):
            continue
        shown.append(character)
    return " ".join("".join(shown).split())[:NAME_MAX].strip()


def _joins(character: str, shown: list[str]) -> bool:
    """Whether a joiner stands in a script that is written with it; between Latin letters it only hides."""
    if character not in _JOINERS or not shown:
        return False
    return unicodedata.bidirectional(shown[-1]) == "AL" or unicodedata.category(shown[-1]) in ("Mn", "Mc")
