"""Characters that look like Latin letters and digits, made at start out of Unicode's own table.

`folded(char)` gives what one character amounts to once its disguise is off: lower-case ASCII where it looks
like that, nothing for marks that only hide or decorate, one space for every kind of blank.
"""

import unicodedata
from typing import Final

from confusable_homoglyphs.confusables import confusables_data

INVISIBLE: Final = frozenset({"Mn", "Me", "Cf", "Cc", "Cs", "Co", "Cn"})
"""Combining marks, joiners, direction marks, variation selectors, tags, and what has no meaning."""

BLANK: Final = frozenset({"Zs", "Zl", "Zp"})
BLANK_BY_SIGHT: Final = frozenset("\t\n\v\f\r\x85\u115f\u1160\u3164\uffa0\u2800")
"""Blank on the screen, though Unicode calls some of them controls and others letters."""

CACHE_MAX: Final = 8_192
FORM_MAX: Final = 4

# The table takes small Cyrillic letters for small capitals, which readers do not; people use them as these.
_CYRILLIC: Final = dict(zip("вкмнтгпзьийуядч", "bkmhtrn3buuyrd4", strict=True))
_GREEK: Final = dict(zip("αβεηικμνορτυχω", "abenikuvoptuxw", strict=True))
_LATIN: Final = dict(zip("øıłđðþ", "oilddp", strict=True)) | {"œ": "oe", "æ": "ae", "ß": "ss"}

_SIGNS: Final = dict.fromkeys("\u2018\u2019\u02bc`\u00b4\u2032\u201b\u02b9", "'") | dict.fromkeys(
    "\u3002\uff61\u2024", "."
)


def _enclosed() -> dict[str, str]:
    """Letters in boxes, circles and flags, which have no plain form in Unicode."""
    table: dict[str, str] = {}
    for first in (0x1F150, 0x1F170, 0x1F1E6):
        table |= {chr(first + place): chr(ord("a") + place) for place in range(26)}
    return table


def _table() -> dict[str, str]:
    table: dict[str, str] = {}
    for char, alike in confusables_data.items():
        if len(char) != 1 or char.isascii() or unicodedata.category(char) == "Nd":
            continue
        plain = [one["c"] for one in alike if one["c"].isascii() and one["c"].isalnum()]
        if plain:
            table[char] = min(plain, key=len).lower()
    return table | _CYRILLIC | _GREEK | _LATIN | _SIGNS | _enclosed()


_ALIKE: Final = _table()
_folded: dict[str, str] = {}


def folded(char: str) -> str:
    """What one character amounts to; "" when it is not to be seen."""
    known = _folded.get(char)
    if known is None:
        # Some single characters spell out a whole phrase; no disguise needs more than this.
        known = "".join(map(_fold_one, _decomposed(char)))[:FORM_MAX]
        if len(_folded) < CACHE_MAX:
            _folded[char] = known
    return known


def _decomposed(char: str) -> str:
    # A letter with a stroke has no decomposition, and some decompose into what they do not look like.
    return _ALIKE[char] if char in _ALIKE else unicodedata.normalize("NFKD", char)


def _fold_one(char: str) -> str:
    if char in BLANK_BY_SIGHT:
        return " "
    category = unicodedata.category(char)
    if category in INVISIBLE:
        return ""
    if category in BLANK:
        return " "
    if category == "Nd":
        return str(unicodedata.decimal(char))
    return _ALIKE.get(char) or _ALIKE.get(char.lower()) or char.lower()
