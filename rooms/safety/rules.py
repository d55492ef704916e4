"""The rules, compiled: one call says what happens to a message."""

from typing import Final, Self

from rooms.safety.book import Book, Rule
from rooms.safety.detectors import DETECTORS, Detector, card
from rooms.safety.message import Message
from rooms.safety.normalise import Span
from rooms.safety.terms import Lists, Terms, checked
from rooms.safety.verdict import ACTIONS, SEVERITIES, Category, Finding, OnTimeout, Verdict
from rooms.safety.window import Window

WAITS_FOR_NOBODY: Final = frozenset(
    {Category.CONTACT, Category.OFF_PLATFORM, Category.LINK, Category.SPAM, Category.SCAM}
)
"""What somebody in distress may say as well without being held for it: "I can't go on, call me on …"."""

SHADOW_MAX: Final = 8


class BadRule(Exception):
    """A rule cannot be made ready; the message names it and says why."""


class Rules:
    """A rule book made ready. `version` names it, `rules` are in its order; checking changes nothing."""

    def __init__(
        self, version: str, terms: Terms, detectors: dict[str, Detector], rules: tuple[Rule, ...]
    ) -> None:
        self.version = version
        self._terms = terms
        self._detectors = detectors
        self.rules = rules

    @classmethod
    def of(cls, book: Book) -> Self:
        """A book, compiled: a tenth of a second. Raises BadRule."""
        lists: dict[str, Lists] = {}
        detectors: dict[str, Detector] = {}
        for rule in book.rules:
            try:
                if rule.detector is None:
                    lists[rule.id] = checked(Lists(rule.terms, rule.allowed))
                elif rule.detector not in detectors:
                    detectors[rule.detector] = DETECTORS[rule.detector](book.options)
            except (ValueError, KeyError) as error:
                raise BadRule(f"rule {rule.id}: {error}") from error
        return cls(book.version, Terms(lists), detectors, book.rules)

    def check(self, text: str, window: Window, *, now_ms: int) -> Verdict:
        """What becomes of `text`, said now by the one whose earlier messages `window` holds."""
        message = Message(text, window, now_ms=now_ms)
        live: list[tuple[Rule, Finding]] = []
        shadow: list[Finding] = []
        cards: list[Span] = []
        for rule, spans in self._fired(message):
            if rule.mode == "shadow":
                shadow.append(_finding(rule, spans))
                continue
            live.append((rule, _finding(rule, spans)))
            if rule.detector == "card":
                cards += spans
        kept = card.masked(text, cards)
        rest = tuple(shadow[:SHADOW_MAX])
        if not live:
            return Verdict("allow", kept, shadow=rest)
        rule, finding = _deciding(live)
        also = tuple(other for _, other in live if other is not finding)
        on_timeout: OnTimeout = rule.on_timeout
        return Verdict(finding.action, kept, finding, rest, kept != text, on_timeout, also)

    def _fired(self, message: Message) -> list[tuple[Rule, list[Span]]]:
        """The rules that found something and where, in the book's order."""
        said = self._terms.find(message.text)
        seen = {name: detector.find(message) for name, detector in self._detectors.items()}
        fired = []
        for rule in self.rules:
            spans = said.get(rule.id) if rule.detector is None else seen[rule.detector]
            if spans:
                fired.append((rule, spans))
        return fired


def _finding(rule: Rule, spans: list[Span]) -> Finding:
    start, end = min(spans)
    return Finding(rule.id, rule.version, rule.category, rule.severity, rule.action, start, end)


def _deciding(live: list[tuple[Rule, Finding]]) -> tuple[Rule, Finding]:
    """The strictest finding, the first of equals; distress before what would hold a cry for help."""
    if any(finding.category is Category.DISTRESS for _, finding in live):
        live = [one for one in live if one[1].category not in WAITS_FOR_NOBODY]
    return max(live, key=lambda one: _strictness(one[1]))


def _strictness(finding: Finding) -> tuple[int, bool, int]:
    return (
        ACTIONS.index(finding.action),
        finding.category is Category.DISTRESS,
        SEVERITIES.index(finding.severity),
    )
