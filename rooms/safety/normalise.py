"""One text without its disguises, and the way back to where each part of it stood.

The text as given is never changed. `plain` is what a reader sees: compatibility forms, invisible marks,
look-alike letters and capitals folded away, punctuation kept. `skeleton` is for term lists: all blanks and
punctuation gone, digits and signs that stand for letters read as letters, so that "k 1 l l" and "kill" are
the same, while a hit still has to begin and end where a word does.
"""

import itertools
import re
from bisect import bisect_right
from functools import cached_property
from typing import Final, NamedTuple

from rooms.safety.lookalikes import folded

Span = tuple[int, int]
"""Where something lies in the text as given: from, and up to but without."""

# A sign stands for a letter only within a word: "w@nt", but not the last one of "help!".
_WORD: Final = re.compile(r"(?:[a-z0-9]|[@$!|+](?=[a-z0-9]))+")
_STRETCHED: Final = re.compile(r"([a-z])\1\1")
_REPEATED: Final = re.compile(r"(.)\1+")
_MASK: Final = re.compile(r"[0-9@$!|+]")
_AS_LETTERS: Final = str.maketrans("l1!|0345789@$+", "iiiioeastbgast")
_L_AS_I: Final = str.maketrans("l", "i")


class Skeleton(NamedTuple):
    """A text's words run together. `begins` and `ends` say which word begins or ends at a place in `text`."""

    text: str
    words: list[Span]
    begins: dict[int, int]
    ends: dict[int, int]
    edges: list[int]
    glued: frozenset[int]
    """Words that only an apostrophe parts from the one before."""

    def length(self, word: int) -> int:
        """The characters of a word in `text`."""
        end = self.edges[word + 1] if word + 1 < len(self.edges) else len(self.text)
        return end - self.edges[word]

    def word_at(self, place: int) -> int:
        """The word that holds the character before `place`."""
        return bisect_right(self.edges, place - 1) - 1


class Text:
    """A text in all the forms that rules look at, each made when it is first asked for."""

    def __init__(self, given: str) -> None:
        self.given = given

    @cached_property
    def _folded(self) -> tuple[str, list[int] | None]:
        """The plain form, and where each of its characters came from; None when they all stayed in place."""
        if self.given.isascii() and self.given.isprintable():
            return self.given.lower(), None
        parts: list[str] = []
        origin: list[int] = []
        for place, char in enumerate(self.given):
            part = folded(char)
            parts.append(part)
            origin += [place] * len(part)
        return "".join(parts), origin

    @property
    def plain(self) -> str:
        """What a reader sees, in small letters."""
        return self._folded[0]

    def given_span(self, start: int, end: int) -> Span:
        """Where a part of `plain` that is not empty lies in the text as given."""
        origin = self._folded[1]
        return (start, end) if origin is None else (origin[start], origin[end - 1] + 1)

    @cached_property
    def digits(self) -> int:
        """How many digits there are."""
        return sum(map(self.plain.count, "0123456789"))

    @cached_property
    def words(self) -> list[tuple[str, int, int]]:
        """The words of `plain` with their places in it."""
        return [(match.group(), match.start(), match.end()) for match in _WORD.finditer(self.plain)]

    @cached_property
    def skeleton(self) -> Skeleton:
        """The words run together."""
        return self._run_together(self._unmasked)

    @cached_property
    def squeezed(self) -> Skeleton | None:
        """The same with every doubled letter single, if some were stretched out: "kiiilll"."""
        if _STRETCHED.search(self.plain) is None:
            return None
        return self._run_together([squeezed(part.translate(_L_AS_I)) for part in self._unmasked])

    @cached_property
    def _unmasked(self) -> list[str]:
        """The words with digits and signs read as letters, but for numbers of their own."""
        words = [word for word, _, _ in self.words]
        if _MASK.search(self.plain) is None:
            return words
        letters = [len(word) == 1 and word.isalpha() for word in words]
        beside = [*letters[1:], False]
        return [
            word
            if word.isalpha() or (word.isdecimal() and not (len(word) == 1 and (before or after)))
            else word.translate(_AS_LETTERS)
            for word, before, after in zip(words, [False, *letters], beside, strict=False)
        ]

    def _run_together(self, parts: list[str]) -> Skeleton:
        edges = list(itertools.accumulate(map(len, parts), initial=0))
        begins = dict(zip(edges, range(len(parts)), strict=False))
        ends = dict(zip(edges[1:], range(len(parts)), strict=True))
        spans = [(start, end) for _, start, end in self.words]
        glued = _glued(self.plain, spans) if "'" in self.plain else frozenset[int]()
        return Skeleton("".join(parts).translate(_L_AS_I), spans, begins, ends, edges[:-1], glued)


def _glued(plain: str, spans: list[Span]) -> frozenset[int]:
    return frozenset(
        place
        for place in range(1, len(spans))
        if spans[place][0] - spans[place - 1][1] == 1 and plain[spans[place][0] - 1] == "'"
    )


def skeleton(term: str) -> str:
    """A term in the form in which it is looked for."""
    return Text(term).skeleton.text


def squeezed(text: str) -> str:
    """A text with no character twice in a row."""
    return _REPEATED.sub(r"\1", text)
