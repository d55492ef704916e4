"""What a rule looks at: the message, and what the same person said just before."""

import re
from functools import cached_property
from itertools import pairwise
from typing import Final

from rooms.safety.normalise import Span, Text
from rooms.safety.window import Window

JOINED_MESSAGES: Final = 8
"""Earlier messages over which something may be split."""

JOINED_MS: Final = 180_000
"""How long before the message they may have been said."""

PART_MAX: Final = 240
"""Characters of a message that may complete what others began; what is split is split into short ones."""

_NUMBER: Final = re.compile(r"[0-9]{1,18}")

TAIL: Final = 120
"""Characters of each earlier message: what is split stands at their ends."""


class Joined:
    """The last messages, the new one last, and as `text` all of them read as one."""

    def __init__(self, earlier: list[str], new: Text) -> None:
        self.messages = (*map(Text, earlier), new)
        self._before = sum(map(len, earlier)) + len(earlier)
        self.text = Text("\n".join((*earlier, new.given)))

    def in_last(self, spans: list[Span]) -> list[Span]:
        """The parts of `spans`, which lie in `text`, that belong to the new message, as offsets into it."""
        last = self._before
        return [(max(0, start - last), end - last) for start, end in spans if end > last]


class Message:
    """A message on its way to be judged; every form of it is made at most once."""

    def __init__(self, given: str, window: Window, *, now_ms: int) -> None:
        self.text = Text(given)
        self.window = window
        self.now_ms = now_ms

    @cached_property
    def joined(self) -> Joined | None:
        """The message with those before it; None when there were none, or it is no part of something."""
        if len(self.text.given) > PART_MAX:
            return None
        said = [said.text[-TAIL:] for said in self.window.since(self.now_ms - JOINED_MS)][-JOINED_MESSAGES:]
        return Joined(said, self.text) if said and not _counts([*said, self.text.given]) else None


def _counts(messages: list[str]) -> bool:
    """Whether most messages hold the number after that of the one before, up or down: somebody counts
    breaths, or numbers what they say, and splits nothing.
    """
    values = [int(found[-1]) for said in messages if (found := _NUMBER.findall(said))]
    steps = [after - before for before, after in pairwise(values)]
    return bool(steps) and 2 * sum(step in (1, -1) for step in steps) >= len(steps)
