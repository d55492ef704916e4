"""When people were in a channel, from moves told in any order, any number of times, with any of them
missing.
"""

from hypothesis import given
from hypothesis import strategies as st

from rooms.media_times import SECOND_MS, TOLERANCE_MS, Move, differs, stays, unseen_ms
from rooms.presence import Span, intersection, total_ms

BEGIN_MS = 1_700_000_000_000
END_MS = BEGIN_MS + 3_600_000


@st.composite
def visits(draw: st.DrawFn) -> list[tuple[int, int]]:
    """Stays of one person in whole seconds, one after the other."""
    marks = draw(st.lists(st.integers(0, 3_600), min_size=0, max_size=12, unique=True))
    marks = sorted(marks)[: len(marks) // 2 * 2]
    return [
        (BEGIN_MS + a * SECOND_MS, BEGIN_MS + b * SECOND_MS)
        for a, b in zip(marks[::2], marks[1::2], strict=True)
    ]


def told(stays_: list[tuple[int, int]]) -> list[Move]:
    moves: list[Move] = []
    for n, (from_ms, to_ms) in enumerate(stays_):
        moves.append(Move(2 * n + 1, from_ms, True))
        moves.append(Move(2 * n + 2, to_ms, False, to_ms - from_ms))
    return moves


@given(visits(), st.data())
def test_order_and_repetition_change_nothing(stays_: list[tuple[int, int]], data: st.DataObject) -> None:
    moves = told(stays_)
    again = data.draw(st.permutations(moves + (data.draw(st.lists(st.sampled_from(moves))) if moves else [])))
    assert stays(again, END_MS) == stays(moves, END_MS)


@given(visits())
def test_every_stay_is_seen_and_next_to_nothing_else(stays_: list[tuple[int, int]]) -> None:
    seen = stays(told(stays_), END_MS)
    true = tuple(Span(*one) for one in stays_)
    assert unseen_ms(true, seen) == 0
    assert total_ms(seen) <= total_ms(true) + len(true) * SECOND_MS


@given(visits(), st.data())
def test_a_missing_notice_never_makes_less_of_what_others_say(
    stays_: list[tuple[int, int]], data: st.DataObject
) -> None:
    moves = told(stays_)
    for n, (from_ms, to_ms) in enumerate(stays_):
        lost = data.draw(st.sampled_from([None, 2 * n + 1, 2 * n + 2]))
        moves = [move for move in moves if move.client_seq != lost]
        seen = stays(moves, END_MS)
        assert unseen_ms((Span(from_ms, to_ms),), seen) == 0


def test_who_never_left_stays_until_the_end() -> None:
    assert stays([Move(1, BEGIN_MS, True)], END_MS) == (Span(BEGIN_MS, END_MS),)
    assert stays([], END_MS) == ()


@given(st.integers(0, 3_600_000))
def test_a_minute_or_a_tenth_is_no_difference(late_ms: int) -> None:
    billed = (Span(BEGIN_MS, END_MS),)
    seen = intersection(billed, (Span(BEGIN_MS + late_ms, END_MS),)) if late_ms < 3_600_000 else ()
    assert differs(billed, seen) == (late_ms > max(TOLERANCE_MS, 360_000))
