"""When the media vendor saw people in a channel, from its notices: late, repeated, in any order, with gaps.

Whatever is doubtful counts as seen. These times never bill anybody; they only say where billed time deserves
a look.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from rooms.presence import Span, Spans, intersection, total_ms, union

TOLERANCE_MS: Final = 60_000
TOLERANCE_PERCENT: Final = 10
"""Media begins later than a session, and notices carry whole seconds."""
SECOND_MS: Final = 1_000


class Move(Struct, frozen=True, order=True):
    """Somebody came into a channel or left it, in the order of `client_seq`.

    A departure says how long the stay was: `lasted_ms`.
    """

    client_seq: int
    at_ms: int
    joined: bool
    lasted_ms: int = 0


def stays(moves: Iterable[Move], until_ms: int) -> Spans:
    """When one person was in the channel. Whose departure is missing stays until they came again, or the end.

    The same for every order in which the moves are told, and however often each is.
    """
    inside: list[Span] = []
    since_ms: int | None = None
    for move in sorted(set(moves)):
        if since_ms is not None:
            inside.append(Span(since_ms, move.at_ms + SECOND_MS))
        since_ms = move.at_ms if move.joined else None
        if not move.joined:
            inside.append(Span(move.at_ms - move.lasted_ms, move.at_ms + SECOND_MS))
    if since_ms is not None:
        inside.append(Span(since_ms, until_ms))
    return union(inside)


def unseen_ms(billed: Spans, seen: Spans) -> int:
    """How much of the billed time lies outside of what was seen."""
    return total_ms(billed) - total_ms(intersection(billed, seen))


def differs(billed: Spans, seen: Spans) -> bool:
    """Whether more was billed than was seen, by more than a minute and more than a tenth."""
    unseen = unseen_ms(billed, seen)
    return unseen > TOLERANCE_MS and 100 * unseen > TOLERANCE_PERCENT * total_ms(billed)
