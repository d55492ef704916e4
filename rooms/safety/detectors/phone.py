"""Telephone numbers: in digits or words, of the countries we serve or with a code, whole or in parts."""

import itertools
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Final

import phonenumbers

from rooms.safety.detectors import card
from rooms.safety.message import Joined, Message
from rooms.safety.normalise import Span, Text
from rooms.safety.numbers import Run, digits_at_most, runs

DIGITS_MIN: Final = 8
DIGITS_MAX: Final = 15
"""What a telephone number has; E.164 allows no more."""

ABROAD_MIN: Final = 11
"""Digits from which on a row without a plus sign may begin with a country's code."""

TRIES_MAX: Final = 24
"""Rows of digits that are looked up for one message."""

OTHER_WORDS_MAX: Final = 4
"""Other words beside the digits in a message that may be a part of a number: "and then 55"."""


class Phone:
    """Finds numbers of `countries` (ISO codes), or of any with a plus sign, but for those `allowed`."""

    def __init__(self, countries: Sequence[str], allowed: Sequence[str]) -> None:
        _read_plans()
        self._prefixes = {country: _prefix(country) for country in countries}
        self._codes = tuple({str(phonenumbers.country_code_for_region(country)) for country in countries})
        self._allowed = frozenset(filter(None, map(_only_digits, allowed)))

    def find(self, message: Message) -> list[Span]:
        """Where telephone numbers stand in the message, or the part of one that it completes."""
        text = message.text
        possible = digits_at_most(text)
        if possible < 1:
            return []
        found = self._whole(text) if possible >= DIGITS_MIN else []
        if found or message.joined is None:
            return found
        return self._completed(message.joined)

    def _whole(self, text: Text) -> list[Span]:
        return [text.given_span(*span) for run in runs(text) for span in self._in_run(run)]

    def _in_run(self, run: Run) -> list[Span]:
        if len(run.digits) < DIGITS_MIN or _counts(run) or card.is_whole_card(run):
            return []
        if self._is_phone(run.digits, plus=run.plus):
            return [(run.start, run.end)]
        for first, last in itertools.islice(_within(run), TRIES_MAX):
            digits = "".join(piece.digits for piece in run.pieces[first : last + 1])
            if self._is_phone(digits, plus=False):
                return [(run.pieces[first].start, run.pieces[last].end)]
        return []

    def _completed(self, joined: Joined) -> list[Span]:
        """The last part of a number that was sent in several messages."""
        found = self._in_parts(joined.messages)
        return [joined.messages[-1].given_span(*found)] if found else []

    def _in_parts(self, messages: Sequence[Text]) -> Span | None:
        parts = [part for message in messages if (part := _part(message))]
        last = _part(messages[-1])
        if last is None:
            return None
        for first in range(len(parts) - 1):
            digits = "".join(digits for digits, _ in parts[first:])
            # Answers of one digit each, "7" and then "8", make no number.
            if 2 * len(digits) >= 3 * len(parts[first:]) and self._is_phone(digits, plus=False):
                return last[1]
        return None

    def _is_phone(self, digits: str, *, plus: bool) -> bool:
        if not DIGITS_MIN <= len(digits) <= DIGITS_MAX + 2 or len(set(digits)) < 3:
            return False
        if digits in self._allowed or digits.removeprefix("00") in self._allowed:
            return False
        if plus or digits.startswith("00"):
            return any(_valid(f"+{number}", None) for number in self._abroad(digits.removeprefix("00")))
        if len(digits) >= ABROAD_MIN and digits.startswith(self._codes) and _valid(f"+{digits}", None):
            return True
        return any(
            digits.startswith(prefix) and _valid(digits, country)
            for country, prefix in self._prefixes.items()
        )

    def _abroad(self, digits: str) -> Iterator[str]:
        """A number with its country's code, also without the zero of "+44 (0)…" that is not dialled."""
        yield digits
        for code in self._codes:
            if digits.startswith(f"{code}0"):
                yield code + digits.removeprefix(f"{code}0")


@cache
def _read_plans() -> None:
    """Read every country's plan at the start rather than while somebody waits: a tenth of a second."""
    phonenumbers.PhoneMetadata.load_all()
    phonenumbers.is_valid_number(phonenumbers.parse("+14155552671"))


def _prefix(country: str) -> str:
    """What a number within the country begins with, if it must: "0", but not America's "1"."""
    plan = phonenumbers.PhoneMetadata.metadata_for_region(country)
    if plan is None:
        raise ValueError(f"{country} is no country with a telephone plan")
    prefix = plan.national_prefix or ""
    return prefix if prefix == "0" else ""


@lru_cache(maxsize=4_096)
def _valid(digits: str, country: str | None) -> bool:
    try:
        number = phonenumbers.parse(digits, country, _check_region=country is None)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(number)


def _only_digits(number: str) -> str:
    return "".join(char for char in number if char.isdecimal())


def _counts(run: Run) -> bool:
    """Whether the pieces count up or down by one: nobody's number, but somebody's breathing."""
    values = [int(piece.digits) for piece in run.pieces if piece.digits]
    steps = {after - before for before, after in itertools.pairwise(values)}
    return len(values) > 3 and (steps == {1} or steps == {-1})


def _within(run: Run) -> Iterator[tuple[int, int]]:
    """Rows of pieces inside a longer run, as first and last piece, that have a number's length."""
    for first in range(len(run.pieces)):
        length = 0
        for last in range(first, len(run.pieces)):
            length += len(run.pieces[last].digits)
            if length > 13:
                break
            if length >= 9:
                yield first, last


def _part(text: Text) -> tuple[str, Span] | None:
    """The digits of a message that says little else, and where they stand in `plain`."""
    found = list(runs(text, least=1))
    if not found:
        return None
    inside = sum(len(run.pieces) for run in found)
    if len(text.words) - inside > OTHER_WORDS_MAX:
        return None
    return "".join(run.digits for run in found), (found[0].start, found[-1].end)
