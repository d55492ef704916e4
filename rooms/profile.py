"""What may stand in a profile: names, telephone numbers and countries, as everybody else will see them."""

import re
import unicodedata
from typing import Final

import phonenumbers

from rooms.countries import COUNTRIES
from rooms.names import MARKS_MAX

NAME_MAX: Final = 80
"""Characters of a name, in normal form C."""
PHONE_MAX: Final = 32
_PHONE: Final = re.compile(r"\+[0-9][0-9 ().-]*")

# Controls, format marks (bidirectional ones among them), halves of pairs, private and unassigned characters,
# and the separators of lines and paragraphs: none of them is part of anybody's name.
_REFUSED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_MARKS: Final = frozenset({"Mn", "Me", "Mc"})
_UNSEEN: Final = frozenset("\u115f\u1160\u3164\uffa0")
"""Letters by their category that nobody can see."""


class UnfitProfile(ValueError):
    """The value cannot stand in a profile; the words say why and quote nothing."""


def name(given: str) -> str:
    """A name in normal form C, with one plain space between its words. Raises UnfitProfile."""
    return line(given, NAME_MAX)


def line(given: str, most: int) -> str:
    """One line that others read, of at most `most` characters, by the same rules. Raises UnfitProfile."""
    composed = unicodedata.normalize("NFC", given)
    spaced = "".join(" " if unicodedata.category(one) == "Zs" else one for one in composed)
    text = " ".join(word for word in spaced.split(" ") if word)
    if not 1 <= len(text) <= most:
        raise UnfitProfile(f"expected 1 to {most} characters")
    marks = MARKS_MAX
    for character in text:
        category = unicodedata.category(character)
        if category in _REFUSED or character in _UNSEEN:
            raise UnfitProfile("has a character that cannot be seen")
        # A mark at the very beginning would sit on whatever stands before the name.
        marks = marks + 1 if category in _MARKS else 0
        if marks > MARKS_MAX:
            raise UnfitProfile("has too many marks on one letter")
    if not any(unicodedata.category(character)[0] in "LN" for character in text):
        raise UnfitProfile("has no letter")
    return text


def country(given: str) -> str:
    """A country by its two letters. Raises UnfitProfile."""
    if given not in COUNTRIES:
        raise UnfitProfile("expected two capital letters of ISO 3166")
    return given


def phone(given: str) -> str:
    """A telephone number in E.164: `+` and digits. Raises UnfitProfile for one that nobody can have."""
    try:
        if len(given) > PHONE_MAX or _PHONE.fullmatch(given) is None:
            raise UnfitProfile("expected + and the country's code")
        number = phonenumbers.parse(given)
    except phonenumbers.NumberParseException:
        raise UnfitProfile("is not a telephone number") from None
    if not phonenumbers.is_valid_number(number) or number.extension:
        raise UnfitProfile("is not a telephone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
