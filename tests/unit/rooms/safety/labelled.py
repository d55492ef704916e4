"""The labelled lines, and how well a book tells them apart."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from hub.safety import rules
from rooms.safety.rules import Rules
from rooms.safety.verdict import Verdict
from rooms.safety.window import Window

FOLDER = Path(__file__).parent / "corpus"
TUNED = ("positive", "evasions", "ordinary")
HELD_OUT = ("held_out",)
ORDINARY = "ordinary"
GAP_MS = 400


class Labelled(NamedTuple):
    """What one sender said, the last message being judged, and what it is."""

    label: str
    language: str
    messages: tuple[str, ...]


def lines(*files: str) -> Iterator[Labelled]:
    """Every labelled line of some files."""
    for file in files:
        for label, languages in tomllib.loads((FOLDER / f"{file}.toml").read_text("utf-8")).items():
            for language, written in languages.items():
                for line in written:
                    yield Labelled(label, language, (line,) if isinstance(line, str) else tuple(line))


@cache
def book() -> Rules:
    """The hub's own book, compiled once."""
    return rules.load()


def judged(rules_in_force: Rules, messages: tuple[str, ...]) -> Verdict:
    """The verdict on the last of some messages, sent one after the other."""
    window = Window()
    for number, message in enumerate(messages[:-1]):
        window.add(message, number * GAP_MS)
    return rules_in_force.check(messages[-1], window, now_ms=len(messages) * GAP_MS)


def label_of(verdict: Verdict) -> str:
    """What the rules take a message for."""
    return ORDINARY if verdict.finding is None else verdict.finding.category.value


class Figures:
    """How often each label was given and right."""

    def __init__(self) -> None:
        self.right: Counter[str] = Counter()
        self.given: Counter[str] = Counter()
        self.wanted: Counter[str] = Counter()
        self.wrong: list[str] = []

    def count(self, line: Labelled, given: str) -> None:
        """Take in one line."""
        self.wanted[line.label] += 1
        self.given[given] += 1
        if given == line.label:
            self.right[given] += 1
        else:
            self.wrong.append(f"{line.label}, taken for {given}: {' / '.join(line.messages)}")

    def precision(self, label: str) -> float:
        """Of all that were given the label, the share that deserve it."""
        return self.right[label] / max(1, self.given[label])

    def recall(self, label: str) -> float:
        """Of all that deserve the label, the share that were given it."""
        return self.right[label] / max(1, self.wanted[label])

    def overall_precision(self) -> float:
        """Of all lines in which something was found, the share in which it was the right thing."""
        found = sum(self.given.values()) - self.given[ORDINARY]
        return (sum(self.right.values()) - self.right[ORDINARY]) / max(1, found)

    def table(self, title: str) -> str:
        """The figures for people."""
        rows = [f"{title}: {sum(self.wanted.values())} lines, precision {self.overall_precision():.3f}"]
        rows += [
            f"  {label:<14}{self.wanted[label]:>5}  precision {self.precision(label):.3f}  "
            f"recall {self.recall(label):.3f}"
            for label in sorted(self.wanted)
        ]
        return "\n".join(rows)


def figures(*files: str) -> Figures:
    """The hub's own book on some files."""
    counted = Figures()
    for line in lines(*files):
        counted.count(line, label_of(judged(book(), line.messages)))
    return counted
