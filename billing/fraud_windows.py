"""What rules about fraud have in common: facts by whom they concern, and windows that move over them."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from billing.fraud import NAMED_MAX, Mark, Sighting
from rooms.ids import UserId


class Timed(Protocol):
    """Something with a time."""

    @property
    def at_ms(self) -> int:
        """Unix milliseconds."""


T = TypeVar("T", bound=Timed)


def by(facts: Iterable[T], of: Callable[[T], str | None]) -> dict[str, list[T]]:
    """Facts by whom or what they concern; those that concern nothing known are left out."""
    found: dict[str, list[T]] = defaultdict(list)
    for fact in facts:
        subject = of(fact)
        if subject is not None:
            found[subject].append(fact)
    return found


def moving(facts: Iterable[T], window_ms: int) -> Iterator[tuple[T, Sequence[T]]]:
    """Each fact, with all that lie within the window up to it. The sequence is only valid until the next."""
    recent: deque[T] = deque()
    for fact in sorted(facts, key=lambda one: one.at_ms):
        recent.append(fact)
        while recent[0].at_ms <= fact.at_ms - window_ms:
            recent.popleft()
        yield fact, recent


def named(ids: Iterable[str]) -> list[str]:
    """Ids for a finding: each once, not too many."""
    return list(dict.fromkeys(ids))[:NAMED_MAX]


class Sightings:
    """Sightings of one kind, by person."""

    def __init__(self, sightings: Iterable[Sighting], kind: Mark) -> None:
        self._of = by((one for one in sightings if one.kind == kind), lambda one: one.person_id)

    def of(self, person_id: UserId) -> Sequence[Sighting]:
        """Every sighting of a person."""
        return self._of.get(person_id, ())

    def marks(self, person_id: UserId, *, at_ms: int, window_ms: int, crowd: int) -> frozenset[str]:
        """What a person was seen with in the window before a moment, under either key.

        What more than `crowd` people came with is left out.
        """
        seen = self._within(person_id, at_ms, window_ms)
        return frozenset[str]().union(*(one.marks for one in seen if one.crowd <= crowd))

    def names(self, person_id: UserId, *, at_ms: int, window_ms: int) -> list[str]:
        """The same, each thing by one name: its mark under the key of the month in which it was seen."""
        return sorted({one.mark for one in self._within(person_id, at_ms, window_ms)})

    def _within(self, person_id: UserId, at_ms: int, window_ms: int) -> Iterator[Sighting]:
        return (one for one in self.of(person_id) if at_ms - window_ms < one.at_ms <= at_ms)
