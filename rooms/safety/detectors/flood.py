"""Too much at once, and the same again and again. Both speak once, when the measure is full."""

from typing import Final

from rooms.safety.message import Message
from rooms.safety.normalise import Span

SAME_MIN: Final = 12
"""Letters that a message must have for its repetition to count: "yes" may be said often."""


class Flood:
    """Fires at the message that makes `messages` within `within_ms`."""

    def __init__(self, *, messages: int, within_ms: int) -> None:
        self._messages = messages
        self._within_ms = within_ms

    def find(self, message: Message) -> list[Span]:
        """The whole message, if it is the one."""
        times = [said.at_ms for said in message.window.since(0)]
        if len(times) < self._messages - 1 or not message.text.given:
            return []
        full_now = _count(times, message.now_ms - self._within_ms) + 1 >= self._messages
        # While a flood goes on, one flag tells of it.
        full_before = _count(times, times[-1] - self._within_ms) >= self._messages
        return [(0, len(message.text.given))] if full_now and not full_before else []


class Repeated:
    """Fires when the same words, however dressed, are said for the `times`th time within `within_ms`."""

    def __init__(self, *, times: int, within_ms: int) -> None:
        self._times = times
        self._within_ms = within_ms

    def find(self, message: Message) -> list[Span]:
        """The whole message, if it is the one."""
        said = list(message.window.since(message.now_ms - self._within_ms))
        skeleton = message.text.skeleton.text
        if len(said) < self._times - 1 or len(skeleton) < SAME_MIN:
            return []
        same = sum(one.skeleton == skeleton for one in said)
        return [(0, len(message.text.given))] if same == self._times - 1 else []


def _count(times: list[int], from_ms: int) -> int:
    return sum(at_ms >= from_ms for at_ms in times)
