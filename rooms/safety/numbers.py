"""Numbers as people write them: digits, words of English and French, and what they put between them.

`runs(text)` gives the rows of digits in a text, however they are broken up, without what is plainly
something else: times, dates, prices, angles, ages, doses.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

from rooms.safety.normalise import Text

BETWEEN_MAX: Final = 4
"""Characters between two pieces of one number."""

PIECES_MAX: Final = 64
"""Pieces of one number; what is longer is read as several."""

_SMALL: Final = {
    word: value
    for language in (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
        "sixteen seventeen eighteen nineteen",
        "zero un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize",
    )
    for value, word in enumerate(language.split())
} | {"une": 1}
_TENS: Final = {
    word: 10 * value
    for language in (
        "twenty thirty forty fifty sixty seventy eighty ninety",
        "vingt trente quarante cinquante soixante septante huitante nonante",
    )
    for value, word in enumerate(language.split(), 2)
} | {"fourty": 40, "octante": 80}
_TIMES: Final = {"double": 2, "triple": 3}
_NUMBERS: Final = frozenset((*_SMALL, *_TENS, "o", "oh"))
DIGITS_OF_A_WORD: Final = 4
"""What one word can add at most: "double ten"."""
# Beside digits these letters are read as the digits they look like.
_AS_DIGIT: Final = {"o": "0", "oh": "0", "l": "1", "i": "1"}

_OTHER: Final = re.compile(
    r"(?<![\d:.,/-])(?:"
    r"\d{1,2} ?[:h] ?\d{2}(?::\d{2})?(?![:.\d-])(?: ?[ap]\.?m\b)?"  # 10:30, 18h45
    r"|\d{1,2} ?(?:[ap]\.?m\b|h(?:rs?|eures?)?\b)"  # 7 pm, 18h
    r"|\d{4}[-/.]\d{1,2}[-/.]\d{1,2}(?![-/.\d])"  # 1984-03-12
    r"|(?:0?\d|[12]\d|3[01])[-/.](?:0?\d|[12]\d|3[01])[-/.](?:\d{4}|\d{2})(?![-/.\d ]\d|\d)"  # 12/03/1984
    r"|\d{1,3}:\d{1,3}(?:-\d{1,3})?(?![:\d])"  # Psalm 23:4-6
    r"|[$€£] ?\d{1,6}(?:[.,]\d{1,3})?(?![\d])"  # $120
    r"|\d{1,6}(?:[.,]\d{1,2})? ?(?:[$€£%°'\"]|euros?\b|eur\b|dollars?\b|bucks\b|usd\b|pounds?\b|quid\b)"
    r"|\d{1,3}[.,]\d{3,8}(?![\d])"  # 48.8566
    r"|\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b"  # a UUID
    r"|\d{1,4} ?(?:years?|yrs?|ans|months?|mois|weeks?|semaines?|days?|jours?|hours?|heures?|min(?:ute)?s?"
    r"|sec(?:ond)?e?s?|kg|kilos?|lbs?|cm|mm|km|miles?|m?g|ml|hz|bpm|times|fois|th|st|nd|rd|e|eme|ieme)\b"
    r")"
)
_PIECE: Final = re.compile(r"(\d+)|([a-z]+)")
_SEPARATOR: Final = re.compile(r"[\s().,/_*+:;|~=#&!?<>\[\]{}'\"\u2022\u00b7-]*\Z")
_LIST: Final = re.compile(r",\s")


# Several detectors ask for the numbers of one text; they are found once for as long as it is looked at.
_found: WeakKeyDictionary[Text, tuple["Run", ...]] = WeakKeyDictionary()


class Piece(NamedTuple):
    """A part of a number as it stands in `plain`, and its digits."""

    digits: str
    start: int
    end: int


class Run(NamedTuple):
    """Pieces that follow each other, and all their digits. `plus` when a plus sign stands before them."""

    pieces: tuple[Piece, ...]
    digits: str
    plus: bool

    @property
    def start(self) -> int:
        """Where it begins in `plain`."""
        return self.pieces[0].start

    @property
    def end(self) -> int:
        """Where it ends in `plain`."""
        return self.pieces[-1].end


def digits_at_most(text: Text) -> int:
    """No fewer than the digits of all numbers in a text: a quick look before a thorough one."""
    return text.digits + sum(
        DIGITS_OF_A_WORD if word in _NUMBERS else 0 if word.isalpha() or word.isdecimal() else len(word)
        for word, _, _ in text.words
    )


def numeral(words: list[str]) -> tuple[int, int] | None:
    """The number that words begin with and how many words it takes: ["vingt", "et", "un"] is (21, 3)."""
    if not words:
        return None
    if words[0] in ("quatre", "four") and words[1:2] and words[1] in ("vingt", "vingts"):
        return _with_units(80, 2, words)
    if words[0] in _TENS:
        return _with_units(_TENS[words[0]], 1, words)
    if words[0] == "dix" and words[1:2] and 7 <= _SMALL.get(words[1], 0) <= 9:
        return 10 + _SMALL[words[1]], 2
    if words[0] in _SMALL:
        return _SMALL[words[0]], 1
    return None


def _with_units(tens: int, taken: int, words: list[str]) -> tuple[int, int]:
    at = taken + (words[taken : taken + 1] == ["et"])
    unit = _SMALL.get(words[at]) if len(words) > at else None
    if unit is None or unit == 0 or (unit > 9 and tens not in (60, 80)):
        return tens, taken
    if words[at] == "dix" and 7 <= _SMALL.get("".join(words[at + 1 : at + 2]), 0) <= 9:
        return tens + 10 + _SMALL[words[at + 1]], at + 2
    return tens + unit, at + 1


def runs(text: Text, *, least: int = 2) -> Iterator[Run]:
    """The rows of at least `least` digits in a text, in the order they stand."""
    found = _found.get(text)
    if found is None:
        found = _found[text] = tuple(_runs(text))
    return (run for run in found if len(run.digits) >= least)


def _runs(text: Text) -> Iterator[Run]:
    plain = _OTHER.sub(lambda match: "\0" * len(match.group()), text.plain) if text.digits else text.plain
    gathered: list[Piece] = []
    for piece in _pieces(plain):
        if gathered and not (len(gathered) < PIECES_MAX and _goes_on(plain[gathered[-1].end : piece.start])):
            yield from _run(plain, gathered)
            gathered = []
        gathered.append(piece)
    yield from _run(plain, gathered)


def _run(plain: str, pieces: list[Piece]) -> Iterator[Run]:
    while pieces and pieces[-1].digits == "":
        pieces.pop()
    while pieces and pieces[0].digits == "":
        pieces.pop(0)
    if pieces:
        first = pieces[0].start
        digits = "".join([piece.digits for piece in pieces])
        yield Run(tuple(pieces), digits, "+" in plain[max(0, first - 2) : first])


def _goes_on(between: str) -> bool:
    if len(between) <= 1:
        return between != "\0"
    return len(between) <= BETWEEN_MAX and bool(_SEPARATOR.match(between)) and not _LIST.search(between)


def _pieces(plain: str) -> Iterator[Piece]:
    """Digits and number words in order; a lone letter beside a digit is a piece that holds nothing."""
    tokens = [(match.group(), match.start(), match.end()) for match in _PIECE.finditer(plain)]
    at = 0
    times = 1
    while at < len(tokens):
        word, start, end = tokens[at]
        found = None if word.isdecimal() else numeral([token[0] for token in tokens[at : at + 5]])
        if word.isdecimal() or found is not None:
            digits, taken = (word, 1) if found is None else (str(found[0]), found[1])
            yield Piece(digits * times, start, tokens[at + taken - 1][2])
            at, times = at + taken, 1
            continue
        times = _TIMES.get(word, 1)
        if (times > 1 or word in _AS_DIGIT or len(word) == 1) and _beside_digits(tokens, at):
            yield Piece(_AS_DIGIT.get(word, ""), start, end)
        at += 1


def _beside_digits(tokens: list[tuple[str, int, int]], at: int) -> bool:
    """Whether a number stands right before or right after a token, as in "o6" and "4a1b5"."""
    near = [tokens[at - 1][0] if at else "", *(token[0] for token in tokens[at + 1 : at + 2])]
    return any(word.isdecimal() or (word in _SMALL and word != "a") for word in near)
