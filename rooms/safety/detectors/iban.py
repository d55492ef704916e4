"""Numbers of bank accounts (ISO 13616): country, two check digits, and a length that the country fixes."""

import re
from typing import Final

from rooms.safety.message import Message
from rooms.safety.normalise import Span, Text

LENGTHS: Final = {
    "ad": 24, "ae": 23, "al": 28, "at": 20, "az": 28, "ba": 20, "be": 16, "bg": 22, "bh": 22, "br": 29,
    "by": 28, "ch": 21, "cr": 22, "cy": 28, "cz": 24, "de": 22, "dk": 18, "do": 28, "ee": 20, "eg": 29,
    "es": 24, "fi": 18, "fo": 18, "fr": 27, "gb": 22, "ge": 22, "gi": 23, "gl": 18, "gr": 27, "gt": 28,
    "hr": 21, "hu": 28, "ie": 22, "il": 23, "iq": 23, "is": 26, "it": 27, "jo": 30, "kw": 30, "kz": 20,
    "lb": 28, "li": 21, "lt": 20, "lu": 20, "lv": 21, "mc": 27, "md": 24, "me": 22, "mk": 19, "mr": 27,
    "mt": 31, "mu": 30, "nl": 18, "no": 15, "pk": 24, "pl": 28, "ps": 29, "pt": 25, "qa": 29, "ro": 24,
    "rs": 22, "sa": 24, "se": 24, "si": 19, "sk": 24, "sm": 27, "tn": 24, "tr": 26, "ua": 29, "xk": 20,
}  # fmt: skip

_BEGIN: Final = re.compile(r"(?<![a-z0-9])[a-z]{2} ?\d ?\d")
REACH: Final = 70
"""Characters in which all of a number lies, blanks among them."""


class Iban:
    """Finds account numbers, whole or the end of one that was sent in several messages."""

    def find(self, message: Message) -> list[Span]:
        """Where account numbers stand."""
        own = spans(message.text)
        if own or message.joined is None or message.text.digits < 1:
            return own
        return message.joined.in_last(spans(message.joined.text))


def spans(text: Text) -> list[Span]:
    """Where whole account numbers stand in a text."""
    if text.digits < 2:
        return []
    found = []
    for match in _BEGIN.finditer(text.plain):
        end = _end(text.plain, match.start())
        if end is not None:
            found.append(text.given_span(match.start(), end))
    return found


def _end(plain: str, start: int) -> int | None:
    wanted = LENGTHS.get(plain[start : start + 2])
    if wanted is None:
        return None
    account = ""
    for place in range(start, min(start + REACH, len(plain))):
        char = plain[place]
        if char.isascii() and char.isalnum():
            account += char
        elif char not in " -.\n":
            return None
        if len(account) == wanted:
            return place + 1 if _checks(account) else None
    return None


def _checks(account: str) -> bool:
    rearranged = account[4:] + account[:4]
    return int("".join(str(int(char, 36)) for char in rearranged)) % 97 == 1
