"""The hash chain over what staff did and saw, and the statement that a signed head makes.

The database chains each entry as it is inserted, see `audit_is_chained` in the migrations; here the same
digest is computed from what was read, so that each checks the other. An entry covers ids, codes and numbers;
of what a person wrote it covers a salted digest, so the text can be erased and the chain still verifies.
"""

import hashlib
import re
import struct
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

GENESIS: Final = hashlib.sha256(b"allinya audit 1").digest()

_NOTHING: Final = bytes(32)
_NUMBERS: Final = struct.Struct(">qq")
_HEAD: Final = struct.Struct(">q32sq")
_HEAD_PREFIX: Final = b"allinya audit head 1\0"
_WORDS: Final = frozenset({"reason", "note"})
_CODE: Final = re.compile(r"[A-Za-z0-9_.:-]{0,100}")


class Entry(Struct, frozen=True):
    """One entry as it is stored. `detail` is canonical JSON."""

    n: int
    at_ms: int
    actor_id: str
    actor_role: str
    action: str
    subject_id: str | None
    session_id: str | None
    detail: bytes
    prev: bytes
    digest: bytes


class Head(Struct, frozen=True):
    """The chain up to `n`, signed at a time, Unix milliseconds, by the key of that id."""

    n: int
    digest: bytes
    signed_at_ms: int
    key_id: str
    signature: bytes


def digest(entry: Entry) -> bytes:
    """What an entry's digest must be. Every field has a fixed width, so no two entries look alike."""
    texts = (entry.actor_id, entry.actor_role, entry.action, entry.subject_id, entry.session_id)
    fields = b"".join(_NOTHING if text is None else _sha256(text.encode()) for text in texts)
    return _sha256(entry.prev + _NUMBERS.pack(entry.n, entry.at_ms) + fields + _sha256(entry.detail))


def head_statement(n: int, digest: bytes, signed_at_ms: int) -> bytes:
    """What the signature of a head signs."""
    return _HEAD_PREFIX + _HEAD.pack(n, digest, signed_at_ms)


def text_digest(salt: bytes, text: str) -> str:
    """What stands for a text in an entry. Without its salt nobody can try out what it may have been."""
    return hashlib.sha256(salt + text.encode()).hexdigest()


def is_code(name: str, value: str) -> bool:
    """Whether a detail may stand in the chain for ever: a code or an id, never what a person wrote."""
    return name not in _WORDS and _CODE.fullmatch(value) is not None


def parted(
    detail: Mapping[str, str | int | None],
) -> tuple[dict[str, str | int | None], dict[str, str]]:
    """A detail's codes and numbers, and its texts."""
    texts = {
        name: value for name, value in detail.items() if isinstance(value, str) and not is_code(name, value)
    }
    return {name: value for name, value in detail.items() if name not in texts}, texts


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
