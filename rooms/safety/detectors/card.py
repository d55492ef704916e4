"""Numbers of payment cards, and the text without them.

A number counts when it has a card's length and first digit and its check digit is right (Luhn). All but the
last four digits are masked in what is stored and told: nobody ever needs to see the rest in a chat.
"""

from collections.abc import Iterator
from typing import Final

from rooms.safety.detectors import iban
from rooms.safety.message import Message
from rooms.safety.normalise import Span, Text
from rooms.safety.numbers import Run, digits_at_most, runs

LENGTHS: Final = range(13, 20)
PHONE_MAX: Final = 15
FIRST_DIGITS: Final = frozenset("23456")
SHOWN: Final = 4
MASK: Final = "•"
# The digits of twice a digit, added.
_DOUBLED: Final = str.maketrans("0123456789", "0246813579")


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812)."""
    return sum(map(int, digits[-1::-2] + digits[-2::-2].translate(_DOUBLED))) % 10 == 0


class Card:
    """Finds numbers of cards: in digits, in words, or the end of one that was sent in several messages."""

    def find(self, message: Message) -> list[Span]:
        """Where numbers of cards stand."""
        own = spans(message.text)
        if own or message.joined is None or message.text.digits < 1:
            return own
        return message.joined.in_last(spans(message.joined.text))


def spans(text: Text) -> list[Span]:
    """Where whole numbers of cards stand in a text."""
    if digits_at_most(text) < LENGTHS.start:
        return []
    accounts = iban.spans(text)
    found = [text.given_span(*span) for run in runs(text) for span in _in_run(run)]
    return [span for span in found if not any(start <= span[0] < end for start, end in accounts)]


def _in_run(run: Run) -> Iterator[Span]:
    """Cards in one row of digits; in a row too long for one, those that begin and end with its pieces."""
    if is_whole_card(run):
        yield run.start, run.end
        return
    if run.plus and len(run.digits) <= PHONE_MAX:
        return
    first = 0
    while first < len(run.pieces):
        last = _card_from(run, first)
        if last is not None:
            yield run.pieces[first].start, run.pieces[last].end
            first = last
        first += 1


def _card_from(run: Run, first: int) -> int | None:
    digits = ""
    for last in range(first, len(run.pieces)):
        digits += run.pieces[last].digits
        if len(digits) >= LENGTHS.stop:
            return None
        if is_card(digits):
            return last
    return None


def is_whole_card(run: Run) -> bool:
    """Whether a row is one card's number, and not a telephone number with its plus sign."""
    return is_card(run.digits) and not (run.plus and len(run.digits) <= PHONE_MAX)


def is_card(digits: str) -> bool:
    """Whether a row of digits is the number of a card."""
    return len(digits) in LENGTHS and digits[0] in FIRST_DIGITS and len(set(digits)) > 1 and luhn(digits)


def masked(given: str, found: list[Span]) -> str:
    """The text with all but the last four digits of each number masked, and of what that leaves behind.

    Digits that were hidden among letters or written as words are gone as a whole.
    """
    # What stands between two numbers may be one itself once they are masked. Each round masks some digits,
    # so it ends; the bound only says so aloud.
    for _ in range(len(given)):
        if not found:
            break
        for start, end in sorted(found, reverse=True):
            given = given[:start] + _mask(given[start:end]) + given[end:]
        found = spans(Text(given))
    return given


def _mask(number: str) -> str:
    text = Text(number)
    digits = [place for place, char in enumerate(text.plain) if char.isdecimal()]
    if len(digits) < LENGTHS.start:
        return MASK * SHOWN
    hidden = {text.given_span(place, place + 1)[0] for place in digits[:-SHOWN]}
    return "".join(MASK if place in hidden else char for place, char in enumerate(number))
