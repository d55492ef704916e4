"""All term lists at once: one pass of an Aho-Corasick automaton over a text's skeleton.

A term is written as people write it. `(a|b|)` stands for any of its choices, `...` for up to `GAP_WORDS`
words between, `*` at the end for any ending of the word. A term fires when it begins and ends where words do,
so nothing fires inside "Scunthorpe", "therapist" or "assess". A list's allowed phrases are terms as well:
what they cover does not fire.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import ahocorasick

from rooms.safety.normalise import Skeleton, Span, Text, squeezed

GAP_WORDS: Final = 3
"""Words that `...` may stand for, at most."""

ALLOWED_GAP_WORDS: Final = 8
"""The same in what makes harmless, which may stand further away: "he said that one day he would …"."""

FORMS_MAX: Final = 64
"""Ways of writing that are spelled out for one step of a term; what has more is cut into steps."""

CHOICES_MAX: Final = 200
"""Choices between two brackets."""

HITS_MAX: Final = 64
"""Places of one step that are looked at in one text."""

JOINED_MIN: Final = 6
"""Shorter forms are looked for across the blanks of a text only where letters stand alone: "k i l l"."""

_CHOICE: Final = re.compile(r"\(([^()]*)\)")


class Lists(NamedTuple):
    """One rule's terms, and the phrases that make them harmless, each as it is written."""

    terms: tuple[str, ...]
    allowed: tuple[str, ...] = ()


class _Form(NamedTuple):
    """One way of writing a step: what is looked for, its words, and whether the last of them may go on."""

    text: str
    words: int
    open_end: bool


class _Step(NamedTuple):
    """A piece of a term: its forms, how many words may stand before it, whether it may be left out."""

    forms: tuple[_Form, ...]
    gap: int
    optional: bool


class _Term(NamedTuple):
    owner: str
    allows: bool
    steps: tuple[_Step, ...]

    @property
    def key(self) -> _Step:
        """The step that says most: the term is tried where that is found."""
        return max(
            (step for step in self.steps if not step.optional),
            key=lambda step: min(len(form.text) for form in step.forms),
        )


class _Hit(NamedTuple):
    """Where a step, or all of them so far, lie: from the first to the last word, both included."""

    first: int
    last: int
    gap: int = 0


class Terms:
    """Every list of a book, by the rule that owns it. Raises ValueError for a line that cannot be a term."""

    def __init__(self, lists: Mapping[str, Lists]) -> None:
        self._terms: dict[int, list[tuple[_Term, tuple[int, ...]]]] = defaultdict(list)
        numbers: dict[_Step, int] = {}
        for term in _parsed(lists):
            for step in term.steps:
                numbers.setdefault(step, len(numbers))
            self._terms[numbers[term.key]].append((term, tuple(numbers[step] for step in term.steps)))
        forms = [(number, form) for step, number in numbers.items() for form in step.forms]
        self._strict = _automaton((form.text, number, form) for number, form in forms)
        self._squeezed = _automaton((squeezed(form.text), number, form) for number, form in forms)

    def find(self, text: Text) -> dict[str, list[Span]]:
        """Where each owner's terms stand in the text as given; owners without a hit are left out."""
        found = self._found(text, text.skeleton, self._strict)
        if text.squeezed is not None:
            for owner, spans in self._found(text, text.squeezed, self._squeezed).items():
                found.setdefault(owner, []).extend(spans)
        return found

    def _found(self, text: Text, form: Skeleton, automaton: ahocorasick.Automaton) -> dict[str, list[Span]]:
        hits = _hits(form, automaton)
        fired: dict[str, list[_Hit]] = {}
        allowed: dict[str, list[_Hit]] = {}
        for number in hits:
            for term, numbers in self._terms.get(number, ()):
                whole = _whole(term.steps, [hits.get(one, []) for one in numbers])
                if whole:
                    (allowed if term.allows else fired).setdefault(term.owner, []).extend(whole)
        return {
            owner: [text.given_span(form.words[hit.first][0], form.words[hit.last][1]) for hit in kept]
            for owner, all_hits in fired.items()
            if (kept := [hit for hit in all_hits if not _covered(hit, allowed.get(owner, []))])
        }


def _automaton(forms: Iterable[tuple[str, int, _Form]]) -> ahocorasick.Automaton:
    """Finds every text; each hit gives its length, and the steps that it may be with the form of each."""
    by_text: dict[str, list[tuple[int, int, bool]]] = defaultdict(list)
    for text, number, form in forms:
        by_text[text].append((number, form.words, form.open_end))
    automaton = ahocorasick.Automaton()
    for text, alike in by_text.items():
        automaton.add_word(text, (len(text), tuple(alike)))
    automaton.make_automaton()
    return automaton


def _hits(form: Skeleton, automaton: ahocorasick.Automaton) -> dict[int, list[_Hit]]:
    """Where each step lies, by its number."""
    hits: dict[int, list[_Hit]] = {}
    begins, ends = form.begins, form.ends
    # An automaton without a word cannot be asked.
    for at, (length, alike) in automaton.iter(form.text) if len(automaton) else ():
        first = begins.get(at + 1 - length)
        if first is None:
            continue
        closed = ends.get(at + 1)
        for number, words, open_end in alike:
            last = form.word_at(at + 1) if open_end else closed
            if last is None or (last - first >= words and not _may_be_joined(form, first, last, words)):
                continue
            known = hits.setdefault(number, [])
            if len(known) < HITS_MAX:
                known.append(_Hit(first, last))
    return hits


def _may_be_joined(form: Skeleton, first: int, last: int, words: int) -> bool:
    """Whether more words than a form has may be it: "don't", a long form, letters standing alone."""
    length = form.edges[last] - form.edges[first] + form.length(last)
    glued = sum(place in form.glued for place in range(first + 1, last + 1))
    return length >= JOINED_MIN or last - first + 1 in (length, words + glued)


def _whole(steps: tuple[_Step, ...], hits: list[list[_Hit]]) -> list[_Hit]:
    """Where the steps follow each other, with no more between them than their gaps allow."""
    chains: list[_Hit] | None = None
    for step, found in zip(steps, hits, strict=True):
        if chains is None:
            # What may be left out at the beginning adds nothing.
            chains = None if step.optional else found
            continue
        longer = [
            _Hit(chain.first, hit.last)
            for chain in chains
            for hit in found
            if 0 < hit.first - chain.last <= 1 + step.gap + chain.gap
        ]
        if step.optional:
            longer += [chain._replace(gap=chain.gap + step.gap) for chain in chains]
        if not longer:
            return []
        chains = list(dict.fromkeys(longer))[:HITS_MAX]
    return chains or []


def _covered(hit: _Hit, allowed: Iterable[_Hit]) -> bool:
    return any(phrase.first <= hit.first and hit.last <= phrase.last for phrase in allowed)


def checked(lists: Lists) -> Lists:
    """The lists as they came. Raises ValueError for the first line that cannot be a term."""
    for line in (*lists.terms, *lists.allowed):
        _steps(line, GAP_WORDS)
    return lists


def _parsed(lists: Mapping[str, Lists]) -> Iterator[_Term]:
    for owner, (terms, allowed) in lists.items():
        for allows, lines in ((False, terms), (True, allowed)):
            for line in lines:
                yield _Term(owner, allows, _steps(line, ALLOWED_GAP_WORDS if allows else GAP_WORDS))


def _steps(line: str, gap_words: int) -> tuple[_Step, ...]:
    """A line cut into steps of no more than `FORMS_MAX` forms. Raises ValueError."""
    steps: list[_Step] = []
    for place, part in enumerate(line.split("...")):
        gap = gap_words if place else 0
        forms = [_Form("", 0, open_end=False)]
        for choices in _slots(part):
            if len(forms) * len(choices) > FORMS_MAX and any(form.words for form in forms):
                steps.append(_step(forms, gap))
                forms, gap = [_Form("", 0, open_end=False)], 0
            forms = [_joined(form, choice) for form in forms for choice in choices]
        steps.append(_step(forms, gap))
    if all(step.optional for step in steps):
        raise ValueError(f"'{line}' may stand for nothing")
    return tuple(steps)


def _step(forms: list[_Form], gap: int) -> _Step:
    written = tuple(dict.fromkeys(form for form in forms if form.words))
    return _Step(written, gap, optional=len(written) < len(set(forms)))


def _slots(part: str) -> Iterator[list[_Form]]:
    """The words of a part in order, each with its choices."""
    for place, piece in enumerate(_CHOICE.split(part)):
        choices = piece.split("|") if place % 2 else [piece]
        if not place % 2 and not piece.strip():
            continue
        if len(choices) > CHOICES_MAX:
            raise ValueError(f"'({piece})' has {len(choices)} choices, and none may have over {CHOICES_MAX}")
        if "(" in piece or ")" in piece:
            raise ValueError(f"'{part}' has a bracket too many")
        yield list(dict.fromkeys(map(_form, choices)))


def _form(written: str) -> _Form:
    text = Text(written)
    return _Form(text.skeleton.text, len(text.words), open_end=written.rstrip().endswith("*"))


def _joined(before: _Form, after: _Form) -> _Form:
    if not after.words:
        return before
    return _Form(before.text + after.text, before.words + after.words, after.open_end)
