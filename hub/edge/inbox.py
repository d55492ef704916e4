"""The events of one connection: in order, one at a time, at a bounded rate and in a bounded number.

Receiving is synchronous and never waits, so a slow handler can't delay the pongs behind it. A task exists
only while there is something to handle.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from hub.edge.connection import Connection, acknowledgement
from hub.edge.dispatch import refusal
from hub.edge.limits import Numbers
from hub.errors import Code, Refused
from rooms.limits import FULL, take

ACK_DIGITS_MAX = 15
QUEUE_FULL_WAIT_MS = 1_000
RESERVED = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
"""Names that Socket.IO keeps for itself; a client that sends one isn't a Socket.IO client."""

_envelope = msgspec.json.Decoder(list[msgspec.Raw]).decode
_name = msgspec.json.Decoder(str).decode


class Answers(Protocol):
    """What handles events: `Dispatch`."""

    async def answer(self, connection: Connection, name: str, args: Sequence[msgspec.Raw]) -> bytes:
        """The acknowledgement's body."""


class Inbox:
    """Takes a connection's events as text after `42`: `<ack id>["name",{…}]`, the ack id optional."""

    __slots__ = (
        "_clock_ms",
        "_dispatch",
        "_events_ms",
        "_numbers",
        "_refusals_ms",
        "_task",
        "_waiting",
        "connection",
    )

    def __init__(
        self, connection: Connection, dispatch: Answers, numbers: Numbers, clock_ms: Callable[[], float]
    ) -> None:
        self.connection = connection
        self._dispatch = dispatch
        self._numbers = numbers
        self._clock_ms = clock_ms
        self._events_ms = FULL
        self._refusals_ms = FULL
        self._waiting: deque[tuple[int | None, str, list[msgspec.Raw]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def receive(self, text: str) -> None:
        """Queue one event, or refuse it at once."""
        ack_id, array = _split(text)
        # The rate comes first: what is over it is not worth parsing.
        self._events_ms, wait_ms = take(self._events_ms, self._numbers.events, now_ms=self._clock_ms())
        if wait_ms:
            self._refuse(ack_id, Refused(Code.RATE_LIMITED, "Too many events.", retry_after_ms=wait_ms))
            return
        try:
            name, args = _open(array)
        except ValueError:
            self._malformed(ack_id)
            return
        if len(self._waiting) >= self._numbers.events_waiting_max:
            full = Refused(Code.RATE_LIMITED, "Too many wait.", retry_after_ms=QUEUE_FULL_WAIT_MS)
            self._refuse(ack_id, full)
            return
        self._waiting.append((ack_id, name, args))
        if self._task is None:
            self._task = asyncio.create_task(self._work())

    def close(self) -> None:
        """Forget what waits. What runs may finish: half of a step helps nobody, and its time is limited."""
        self._waiting.clear()

    async def _work(self) -> None:
        connection = self.connection
        try:
            while self._waiting and not connection.closed:
                ack_id, name, args = self._waiting.popleft()
                body = await self._dispatch.answer(connection, name, args)
                if ack_id is not None:
                    connection.send(acknowledgement(ack_id, body))
                if _being_cancelled():
                    raise asyncio.CancelledError
        finally:
            self._task = None

    def _refuse(self, ack_id: int | None, refused: Refused) -> None:
        self._refusals_ms, flooded_ms = take(
            self._refusals_ms, self._numbers.refusals, now_ms=self._clock_ms()
        )
        if flooded_ms:
            self.connection.drop("flood")
        elif ack_id is not None:
            self.connection.send(acknowledgement(ack_id, refusal(refused)))

    def _malformed(self, ack_id: int | None) -> None:
        if ack_id is None:
            # There is nobody to tell, and no client library sends this.
            self.connection.drop("malformed")
        else:
            self._refuse(ack_id, Refused(Code.BAD_REQUEST, "This is not an event."))


def _being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _split(text: str) -> tuple[int | None, str]:
    """The acknowledgement's number, if there is one, and the array. Plain digits, at most 15 of them."""
    start = text.find("[", 0, ACK_DIGITS_MAX + 1)
    digits = text[:start] if start > 0 else ""
    if digits.isascii() and digits.isdigit():
        return int(digits), text[start:]
    return None, text


def _open(array: str) -> tuple[str, list[msgspec.Raw]]:
    """The event's name and its arguments, still as text. Raises `ValueError`."""
    try:
        parts = _envelope(array)
        name = _name(parts[0]) if parts else ""
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise ValueError("not an event") from None
    if not name or len(name) > 64 or name in RESERVED:
        raise ValueError("not an event")
    # One argument is right; of more, one too many is kept, as the sign that there were: 64 such may wait.
    return name, parts[1:3]
