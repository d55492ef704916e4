"""Addresses of mail: as they are, and as people spell them out to get past a filter."""

import re
from typing import Final

from publicsuffixlist import PublicSuffixList

from rooms.safety.message import Message
from rooms.safety.normalise import Span, Text

_AT: Final = (
    r"(?:\s?@\s?| ?[\[({] ?(?:at|arr?oba[sz]e?|chez) ?[\])}] ?|\s(?:at|arr?oba[sz]e?|chez|a commercial)\s)"
)
_DOT: Final = r"(?:\s?\.\s?|\s?[\[({]? ?(?:dot|point) ?[\])}]?\s?)"
_SAID_DOT: Final = r"\s?[\[({]? ?(?:dot|point) ?[\])}]?\s?"
_SUFFIX: Final = r"(?:com|fr|net|org|co ?\.?uk|de|ch|be|ca|me|eu|io)(?![a-z0-9])"
# Everyday words follow "at"; a provider, or a dot that is spelled out, does not.
_PROVIDER: Final = (
    r"(?:gmail|googlemail|hotmail|outlook|yahoo|icloud|proton(?:mail)?|gmx|aol|live|msn|orange|free|laposte|"
    r"wanadoo|sfr|bbox|ymail|zoho)"
)
_BARE_PROVIDER: Final = r"(?:gmail|hotmail|outlook|yahoo|icloud|proton(?:mail)?|laposte|wanadoo)(?![a-z0-9])"
_AS_WRITTEN: Final = re.compile(r"@([a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,4})")
_DISGUISED: Final = re.compile(
    rf"{_AT}(?:{_PROVIDER}(?:{_DOT}|\s){_SUFFIX}|{_BARE_PROVIDER}|[a-z0-9-]{{2,40}}{_SAID_DOT}{_SUFFIX})"
)
_HINT: Final = re.compile(
    r"@|(?<![a-z])(?:at|arr?oba[sz]e?|chez|gmail|hotmail|outlook|yahoo|icloud|dot|point|com|fr)(?![a-z])"
)
_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._%+-")
NAME_MAX: Final = 64


class Email:
    """Finds addresses of mail, whole or the end of one that was sent in several messages."""

    def __init__(self, suffixes: PublicSuffixList) -> None:
        self._suffixes = suffixes

    def find(self, message: Message) -> list[Span]:
        """Where addresses of mail stand."""
        if _HINT.search(message.text.plain) is None:
            return []
        own = self._spans(message.text)
        if own or message.joined is None:
            return own
        return message.joined.in_last(self._spans(message.joined.text))

    def _spans(self, text: Text) -> list[Span]:
        plain = text.plain
        ends = [
            match.span()
            for match in _AS_WRITTEN.finditer(plain)
            if self._suffixes.publicsuffix(match.group(1), accept_unknown=False)
        ]
        ends += [match.span() for match in _DISGUISED.finditer(plain)]
        return [text.given_span(start, end) for at, end in ends if (start := _name_before(plain, at)) < at]


def _name_before(plain: str, at: int) -> int:
    """Where the name before an "at" begins; `at` itself when there is none."""
    start = at
    while start > max(0, at - NAME_MAX) and plain[start - 1] in _NAME:
        start -= 1
    return start
