"""The hash chain over a session's messages: what was delivered, in which order, by whom, and when.

A link covers the digest of the stored ciphertext and the participant's number, never text or name. So a
body or a person can be erased and the chain still verifies, while a changed, missing, added or moved message
breaks it. The head of the chain is printed on the receipt.
"""

import hashlib
import struct
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from rooms.ids import SessionId

DIGEST_BYTES = 32
_GENESIS = b"allinya session transcript 1\0"
_SAID, _LOST = b"\x01", b"\x00"
_LINK = struct.Struct(">Q16sQI32s")


class Link(NamedTuple):
    """What the chain knows of one message. A lost one has its `seq` alone."""

    seq: int
    id: str | None
    at_ms: int | None
    participant_no: int | None
    body_sha256: bytes | None


def genesis(session_id: SessionId) -> bytes:
    """Where the chain of a session begins; also the head of an empty transcript."""
    return hashlib.sha256(_GENESIS + UUID(session_id).bytes).digest()


def digest(
    prev: bytes, *, seq: int, message_id: str, at_ms: int, participant_no: int, body_sha256: bytes
) -> bytes:
    """The link of a delivered message: every field has a fixed width, so no two messages look alike."""
    fields = _LINK.pack(seq, UUID(message_id).bytes, at_ms, participant_no, body_sha256)
    return hashlib.sha256(prev + _SAID + fields).digest()


def lost_digest(prev: bytes, *, seq: int) -> bytes:
    """The link that stands for a message of which nothing is left."""
    return hashlib.sha256(prev + _LOST + struct.pack(">Q", seq)).digest()


def body_digest(ciphertext: bytes) -> bytes:
    """What stands for a body in the chain."""
    return hashlib.sha256(ciphertext).digest()


def follow(prev: bytes, link: Link) -> bytes:
    """The digest of the next link."""
    if link.id is None or link.at_ms is None or link.participant_no is None or link.body_sha256 is None:
        return lost_digest(prev, seq=link.seq)
    return digest(
        prev,
        seq=link.seq,
        message_id=link.id,
        at_ms=link.at_ms,
        participant_no=link.participant_no,
        body_sha256=link.body_sha256,
    )


def digests(session_id: SessionId, links: Iterable[Link]) -> list[bytes]:
    """The digest of every link, in order; the last one is the head."""
    head = genesis(session_id)
    chained: list[bytes] = []
    for link in links:
        head = follow(head, link)
        chained.append(head)
    return chained


def verify(session_id: SessionId, links: Iterable[Link], head: bytes) -> bool:
    """Whether these links, all of them and dense from 1, lead to the head that was printed."""
    reached = genesis(session_id)
    for expected, link in enumerate(links, start=1):
        if link.seq != expected:
            return False
        reached = follow(reached, link)
    return reached == head
