"""From an event to its acknowledgement: decode, check whom it comes from, handle, answer. Always answer.

Order, queues and event rates per connection are `inbox.py`'s; here one event at a time is seen.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec
import structlog

from hub.edge.connection import Connection
from hub.edge.strict_json import BadJsonError, strict
from hub.errors import Code, Refused, refused_from, wire
from rooms.ids import Role

log = structlog.get_logger()

H = TypeVar("H")
"""What handlers are given: the hub, with its stores and clocks."""

Raw = bytes | msgspec.Raw
"""JSON text of one argument, not decoded yet."""


@dataclass(frozen=True, slots=True)
class Event(Generic[H]):
    """One row of the table of events: body and reply as structs, the roles allowed, and the handler."""

    body: type[msgspec.Struct]
    reply: type[msgspec.Struct]
    who: frozenset[Role]
    handle: Callable[[H, Connection, Any], Awaitable[msgspec.Struct]]


class Dispatch(Generic[H]):
    """Answers events by the table `handlers`. `now_ms` is the wall clock that tokens expire by."""

    def __init__(
        self,
        handlers: Mapping[str, Event[H]],
        hub: H,
        *,
        now_ms: Callable[[], int],
        handler_limit_s: float = 10.0,
    ) -> None:
        self._handlers = dict(handlers)
        self._decoders = {name: msgspec.json.Decoder(event.body) for name, event in self._handlers.items()}
        self._encode = msgspec.json.Encoder().encode
        self._hub = hub
        self._now_ms = now_ms
        self._handler_limit_s = handler_limit_s

    async def answer(self, connection: Connection, name: str, args: Sequence[Raw]) -> bytes:
        """The acknowledgement's body as JSON text: `{"ok":true,…}` or `{"ok":false,"error":{…}}`.

        Never raises. When the surrounding task is being cancelled, the answer is `unavailable`, and the
        caller finds the cancellation in `asyncio.current_task().cancelling()`.
        """
        try:
            event = self._handlers.get(name)
            if event is None:
                return refusal(Refused(Code.BAD_REQUEST, "There is no such event."))
            body = self._decode(name, args)
            self._authorise(connection, event)
            async with asyncio.timeout(self._handler_limit_s):
                reply = await event.handle(self._hub, connection, body)
            return self._accepted(reply)
        except TimeoutError:
            log.warning("event.timed_out", event_name=name)
            return refusal(Refused(Code.UNAVAILABLE, "This took too long; please try again."))
        except asyncio.CancelledError:
            return refusal(Refused(Code.UNAVAILABLE, "This was interrupted; please try again."))
        except Exception as error:  # noqa: BLE001  The last line: whatever it is, the client gets an answer.
            return refusal(refused_from(error, where=name))

    def _decode(self, name: str, args: Sequence[Raw]) -> msgspec.Struct:
        if len(args) != 1:
            raise Refused(Code.BAD_REQUEST, "An event carries exactly one object.")
        try:
            text = strict(bytes(args[0]).decode())
            decoded: msgspec.Struct = self._decoders[name].decode(text)
        except BadJsonError as error:
            raise Refused(Code.BAD_REQUEST, f"The body can't be read: {error}.") from None
        except msgspec.ValidationError as error:
            raise malformed(error) from None
        return decoded

    def _authorise(self, connection: Connection, event: Event[H]) -> None:
        principal = connection.principal
        if principal.expires_at_ms <= self._now_ms():
            raise Refused(Code.UNAUTHENTICATED, "The token has expired.")
        if principal.role not in event.who:
            raise Refused(Code.FORBIDDEN, "This is not for your role.")

    def _accepted(self, reply: msgspec.Struct) -> bytes:
        encoded = self._encode(reply)
        return b'{"ok":true}' if encoded == b"{}" else b'{"ok":true,' + encoded[1:]


def refusal(refused: Refused) -> bytes:
    """The body of an acknowledgement that says no, as JSON text."""
    return msgspec.json.encode({"ok": False, "error": wire(refused)})


AT = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
NAMED = re.compile(r"Object (?P<what>contains unknown|missing required) field `(?P<name>.*)`", re.DOTALL)
NAME_LENGTH_MAX = 100


def malformed(error: msgspec.ValidationError) -> Refused:
    """`bad_request` whose `fields` names the place, from the decoder's words (`… - at `$.a[0].b``)."""
    found = AT.fullmatch(str(error))
    what, path = (found["what"], found["path"] or "") if found else ("is not right", "")
    path = path.removeprefix(".")
    named = NAMED.fullmatch(what)
    if named is not None:
        path = f"{path}.{named['name']}" if path else named["name"]
        what = "unknown field" if named["what"] == "contains unknown" else "required"
    fields = {path[:NAME_LENGTH_MAX]: what[:NAME_LENGTH_MAX]} if path else None
    return Refused(Code.BAD_REQUEST, "The body doesn't fit this event.", fields=fields)
