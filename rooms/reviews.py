"""Reviews: of which session one may be written, until when, and what becomes of its words."""

import unicodedata
from typing import Final, Literal

from msgspec import Struct

from rooms.names import MARKS_MAX, displayed
from rooms.safety.verdict import Category, Verdict

DAY_MS: Final = 86_400_000
PAID_MIN_MS: Final = 240_000
"""Four paid minutes: free time alone says little, and costs nothing to whoever means ill."""
WRITE_WITHIN_MS: Final = 7 * DAY_MS
CHANGE_WITHIN_MS: Final = 14 * DAY_MS
"""Counted from the end of the session, like the time for writing it."""
VERSIONS_MAX: Final = 20
"""Wordings of one review, or of one answer."""
TEXT_MAX: Final = 2_000

Part = Literal["review", "answer"]
State = Literal["pending", "published", "superseded", "rejected"]
"""Of one wording: it waits for somebody to look at it, is shown, gave way to a later one, or was refused."""
Unfit = Literal["unsettled", "unpaid", "short", "late"]
"""Why a session has no review: not settled, not paid for, not for long enough, or too long ago."""

_BREAKS: Final = frozenset("\n\t")
_JOINERS: Final = frozenset("\u200c\u200d")


class Attended(Struct, frozen=True):
    """One guest's part of a session, as far as a review depends on it.

    `paid_ms` is billed time without the free. `paid`: it was charged, and not given back altogether.
    """

    settled: bool
    paid: bool
    paid_ms: int
    ended_at_ms: int | None


class UnfitText(ValueError):
    """The text cannot stand in a review; the words say why and quote nothing."""


def unfit(part: Attended, *, now_ms: int) -> Unfit | None:
    """Why no review may be written now, or None."""
    if not part.settled or part.ended_at_ms is None:
        return "unsettled"
    if not part.paid:
        return "unpaid"
    if part.paid_ms < PAID_MIN_MS:
        return "short"
    return "late" if now_ms - part.ended_at_ms > WRITE_WITHIN_MS else None


def may_change(ended_at_ms: int, *, now_ms: int) -> bool:
    """Whether a review that was written may still be worded otherwise."""
    return now_ms - ended_at_ms <= CHANGE_WITHIN_MS


def becomes(verdict: Verdict, *, watched: bool) -> Literal["published", "pending", "blocked"]:
    """What becomes of a wording that everybody could read.

    Distress is not for strangers' eyes: somebody looks first, and its writer is told where help is.
    `watched`: an earlier wording was refused, so nothing takes its place unseen.
    """
    if verdict.action == "block":
        return "blocked"
    found = (*(() if verdict.finding is None else (verdict.finding,)), *verdict.also)
    in_distress = any(finding.category is Category.DISTRESS for finding in found)
    return "pending" if watched or in_distress or verdict.action == "hold" else "published"


def worded(given: str) -> str:
    """A text in normal form C, without what cannot be seen, reorders or piles up. Raises UnfitText."""
    shown: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", given.replace("\r\n", "\n")):
        kind = unicodedata.category(character)
        if kind in ("Mn", "Me"):
            marks += 1
            if marks > MARKS_MAX or not shown:
                continue
        else:
            marks = 0
        if kind[0] == "C" and character not in _BREAKS | _JOINERS:
            continue
        shown.append("\n" if kind in ("Zl", "Zp") else character)
    text = "".join(shown).strip()
    if len(text) > TEXT_MAX:
        raise UnfitText(f"expected at most {TEXT_MAX} characters")
    if not any(unicodedata.category(character)[0] in "LNS" for character in text):
        raise UnfitText("has no words")
    return text


def signed(name: str) -> str:
    """By which name strangers know the author: the first alone, or `A guest`."""
    first = displayed(name).partition(" ")[0]
    return first if any(character.isalpha() for character in first) else "A guest"
