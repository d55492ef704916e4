"""What fits into one text message: the 7-bit alphabet of GSM 03.38, in which a message has 160 places.

One letter outside of it, and the whole message has 70.
"""

import unicodedata
from typing import Final, Literal

PLACES: Final = 160
BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENDED: Final = frozenset("^{}\\[~]|€\f")
"""Each of these takes two places."""
ALIKE: Final = str.maketrans(
    {
        "\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u00ab": '"', "\u00bb": '"',
        "\u2013": "-", "\u2014": "-", "\u2026": "...", "\u00a0": " ", "\u202f": " ",
        "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "\u0131": "i",
    }
)  # fmt: skip

Meaning = Literal["stop", "start", "help", "other"]
STOP: Final = frozenset(
    {"STOP", "STOPALL", "STOP ALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"}
)
START: Final = frozenset({"START", "YES", "UNSTOP"})
HELP: Final = frozenset({"HELP", "INFO"})
STOP_FR: Final = frozenset({"ARRET", "ARRETER", "ARRETEZ"})
START_FR: Final = frozenset({"OUI"})
HELP_FR: Final = frozenset({"AIDE"})


def places(text: str) -> int | None:
    """How many places a text takes; None when it has letters that the alphabet lacks."""
    if not all(letter in BASIC or letter in EXTENDED for letter in text):
        return None
    return sum(2 if letter in EXTENDED else 1 for letter in text)


def plain(text: str) -> str | None:
    """A text in the alphabet, some letters without their accents; None when that would leave letters out."""
    written = []
    for letter in unicodedata.normalize("NFC", text.translate(ALIKE)):
        if letter not in BASIC:
            bare = unicodedata.normalize("NFKD", letter)
            letter = "".join(part for part in bare if not unicodedata.combining(part))
        if not letter or not all(part in BASIC for part in letter):
            return None
        written.append(letter)
    return "".join(written)


def meaning(body: str) -> tuple[Meaning, bool]:
    """What somebody wrote back, and whether Twilio knows that word and answers it by itself.

    Only a message that is nothing but the word counts: "please don't stop" is no wish to stop.
    """
    bare = unicodedata.normalize("NFKD", body[:200])
    word = "".join(part for part in bare if not unicodedata.combining(part)).upper()
    word = " ".join(word.strip(" \t\r\n.!,\"'").split())
    known: tuple[tuple[Meaning, frozenset[str], frozenset[str]], ...] = (
        ("stop", STOP, STOP_FR),
        ("start", START, START_FR),
        ("help", HELP, HELP_FR),
    )
    for told, theirs, ours in known:
        if word in theirs or word in ours:
            return told, word in theirs
    return "other", False
