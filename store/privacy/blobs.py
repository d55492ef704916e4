"""Bytes that belong to a person, in Postgres, sealed piece by piece under that person's data key.

A piece is bound to its place: the additional data name the table, the column, the blob and the piece, and
whether it is the last, so that pieces can be neither exchanged nor put elsewhere nor left out at the end.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Final

import uuid_utils

from store.postgres import blobs
from store.postgres.blobs import Blob
from store.postgres.pool import Db
from store.privacy.keys import DataKey, SealBrokenError

CHUNK_BYTES: Final = 256 * 1024


async def write(db: Db, key: DataKey, content: bytes, *, kind: str, media_type: str, now_ms: int) -> Blob:
    """Keep `content` as its owner's. Give it a connection inside a transaction, as it writes several rows."""
    pieces = [content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES)]
    made = Blob(str(uuid_utils.uuid7()), key.subject_id, kind, media_type, len(content), len(pieces), now_ms)
    await blobs.insert_blob(db, made)
    for no, piece in enumerate(pieces):
        sealed = key.seal(chunk_aad(made.id, no, last=no == len(pieces) - 1), piece)
        await blobs.insert_chunk(db, made.id, no, sealed)
    return made


async def read(db: Db, key: DataKey, made: Blob, *, first: int = 0) -> AsyncIterator[bytes]:
    """The content, piece by piece, from the piece `first` on.

    Raises SealBrokenError when a piece is missing or is another's.
    """
    for no in range(first, made.chunks):
        sealed = await blobs.chunk(db, made.id, no)
        if sealed is None:
            raise SealBrokenError("A piece is missing.")
        yield key.open(chunk_aad(made.id, no, last=no == made.chunks - 1), sealed)


class Pieces:
    """Content that comes little by little, cut into the pieces of a blob.

    The last piece is sealed as the last one, so one is held back until it is known whether more follows.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._no = 0
        self.size_bytes = 0

    @property
    def no(self) -> int:
        """The number of the piece that comes next."""
        return self._no

    def add(self, content: bytes) -> Iterator[tuple[int, bytes]]:
        """The pieces that are whole by now and not the last, each with its number."""
        self._held += content
        self.size_bytes += len(content)
        while len(self._held) > CHUNK_BYTES:
            piece = bytes(self._held[:CHUNK_BYTES])
            del self._held[:CHUNK_BYTES]
            yield self._no, piece
            self._no += 1

    def last(self) -> tuple[int, bytes]:
        """The last piece, and its number."""
        return self._no, bytes(self._held)


async def begin(db: Db, subject_id: str, *, kind: str, media_type: str, now_ms: int) -> Blob:
    """A blob that is still to be written; `complete` says how long it became."""
    made = Blob(str(uuid_utils.uuid7()), subject_id, kind, media_type, 0, 0, now_ms)
    await blobs.insert_blob(db, made)
    return made


async def put(db: Db, key: DataKey, blob_id: str, no: int, piece: bytes, *, last: bool) -> None:
    """Keep one piece of a blob that was begun."""
    await blobs.insert_chunk(db, blob_id, no, key.seal(chunk_aad(blob_id, no, last=last), piece))


def chunk_aad(blob_id: str, no: int, *, last: bool) -> bytes:
    """What a piece is bound to."""
    return f"blob_chunks:sealed:{blob_id}:{no}:{'last' if last else 'more'}".encode("ascii")
