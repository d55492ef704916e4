"""Bytes that belong to a person, in Postgres, sealed piece by piece under that person's data key.

A piece is bound to its place: the additional data name the table, the column, the blob and the piece, and
whether it is the last, so that pieces can be neither exchanged nor put elsewhere nor left out at the end.
"""

from collections.abc import AsyncIterator
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


async def read(db: Db, key: DataKey, made: Blob) -> AsyncIterator[bytes]:
    """The content, piece by piece. Raises SealBrokenError when a piece is missing or is another's."""
    for no in range(made.chunks):
        sealed = await blobs.chunk(db, made.id, no)
        if sealed is None:
            raise SealBrokenError("A piece is missing.")
        yield key.open(chunk_aad(made.id, no, last=no == made.chunks - 1), sealed)


def chunk_aad(blob_id: str, no: int, *, last: bool) -> bytes:
    """What a piece is bound to."""
    return f"blob_chunks:sealed:{blob_id}:{no}:{'last' if last else 'more'}".encode("ascii")
