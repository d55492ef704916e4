"""Decisions about one room that meet in one process take turns: those that wait are made together.

Hundreds who come at once would otherwise write the same room hundreds of times, and get in each other's way.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from rooms.ids import SessionId
from rooms.news import Change
from rooms.room import Room

TOGETHER = 64
"""Decisions in one commit."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A room as read, with the store's time of that moment."""

    room: Room
    now_ms: int
    rev: int
    seq: int


class Decide(Protocol):
    """A pure decision: the room and the time in, the change out."""

    def __call__(self, room: Room, *, now_ms: int) -> Change:
        """Decide, or raise a RoomError."""


@dataclass(eq=False, slots=True)
class Wish:
    """A decision that somebody waits for."""

    decide: Decide
    outcome: Loaded | None = None
    error: Exception | None = None

    @property
    def settled(self) -> bool:
        """Whether it is known what came of it."""
        return self.outcome is not None or self.error is not None

    def settle(self, outcome: Loaded, error: Exception | None) -> None:
        """The room as it is by now, or why this decision was refused."""
        self.outcome, self.error = outcome, error


@dataclass(eq=False, slots=True)
class _Turn:
    """One room's turn: who decides has the lock, the others' wishes wait."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wishes: list[Wish] = field(default_factory=list)
    waiting: int = 0


class Turns:
    """The turns of all rooms that are being changed just now."""

    def __init__(self) -> None:
        self._by_room: dict[SessionId, _Turn] = {}

    async def take(
        self,
        session_id: SessionId,
        decide: Decide,
        carry_out: Callable[[Sequence[Wish]], Awaitable[None]],
    ) -> Loaded:
        """Have a decision made, in its turn, together with whatever else waits. Gives the room afterwards.

        `carry_out` settles all of the wishes it is given, or raises and has settled none: then they all
        failed for its reason. Whoever is cancelled while deciding leaves the others' wishes to the next.
        """
        turn, wish = self._by_room.setdefault(session_id, _Turn()), Wish(decide)
        turn.wishes.append(wish)
        turn.waiting += 1
        try:
            async with turn.lock:
                while not wish.settled:
                    await _carry_out(turn, carry_out)
        finally:
            turn.waiting -= 1
            if wish in turn.wishes:
                turn.wishes.remove(wish)
            if not turn.waiting:
                self._by_room.pop(session_id, None)
        if wish.error is not None:
            raise wish.error
        assert wish.outcome is not None  # noqa: S101  Settled without an error.
        return wish.outcome


async def _carry_out(turn: _Turn, carry_out: Callable[[Sequence[Wish]], Awaitable[None]]) -> None:
    wishes = turn.wishes[:TOGETHER]
    try:
        await carry_out(wishes)
    except Exception as error:  # noqa: BLE001  It is each one's own to deal with.
        for wish in wishes:
            if not wish.settled:
                wish.error = error
    turn.wishes = [wish for wish in turn.wishes if not wish.settled]
