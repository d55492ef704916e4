"""A sender's last messages in one room: what a rule sees besides the message itself."""

from collections import deque
from collections.abc import Iterator
from typing import Final, Self

from msgspec import Struct

from rooms.safety.normalise import skeleton

MESSAGES: Final = 16
"""Messages that a window holds at most."""

AGE_MS: Final = 180_000
"""Older messages are of no interest to any rule."""

TEXT_MAX: Final = 2_000
"""Characters of each message that are kept."""


class Said(Struct, frozen=True):
    """One earlier message; `skeleton` is what is left of it when it is undressed, to know it again."""

    text: str
    at_ms: int
    skeleton: str


class Window:
    """The last messages of one sender in one room, at most `MESSAGES`, none older than `AGE_MS`."""

    __slots__ = ("_said",)

    def __init__(self) -> None:
        self._said: deque[Said] = deque(maxlen=MESSAGES)

    def add(self, text: str, at_ms: int) -> None:
        """Remember a message that was delivered, held or blocked, as it was written."""
        while self._said and self._said[0].at_ms < at_ms - AGE_MS:
            self._said.popleft()
        text = text[-TEXT_MAX:]
        self._said.append(Said(text, at_ms, skeleton(text)))

    def since(self, from_ms: int) -> Iterator[Said]:
        """What was said at `from_ms` or later, oldest first."""
        return (said for said in self._said if said.at_ms >= from_ms)

    def __deepcopy__(self, _memo: object) -> Self:
        copied = type(self)()
        copied._said.extend(self._said)
        return copied

    def __len__(self) -> int:
        return len(self._said)
