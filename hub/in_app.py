"""`notice` to one person, wherever they are connected, each of their lines in its own language."""

from collections.abc import Callable, Collection
from typing import Final

import msgspec

from hub.edge.connection import Connection
from hub.edge.fanout import deliver, frame
from hub.outbound import Notice
from hub.words import LANGUAGES, Language

IN_APP: Final = "in_app"
"""The kind of message on a person's channel that carries one, in every language."""

_decode = msgspec.msgpack.Decoder(dict[Language, Notice]).decode


def packed(said: Callable[[Language], Notice]) -> bytes:
    """A notice for the way between processes."""
    return msgspec.msgpack.encode({language: said(language) for language in LANGUAGES})


def hear(connections: Collection[Connection], payload: bytes) -> None:
    """It came over a person's channel: pass it on to their sockets here."""
    said = _decode(payload)
    for connection in list(connections):
        deliver(frame("notice", msgspec.json.encode(said[connection.language])), [connection])
