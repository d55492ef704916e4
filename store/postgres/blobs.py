"""Sealed bytes in pieces, as rows; `store.privacy.blobs` knows what is in them."""

from msgspec import Struct

from store.postgres.pool import Db
from store.postgres.rows import one
from store.postgres.statements import statements

SQL = statements("blobs")


class Blob(Struct, frozen=True):
    """Bytes that belong to a person: `size_bytes` before they were sealed, in `chunks` pieces."""

    id: str
    subject_id: str
    kind: str
    media_type: str
    size_bytes: int
    chunks: int
    created_at_ms: int


async def insert_blob(db: Db, made: Blob) -> None:
    """Keep what a blob is."""
    await db.execute(
        SQL["insert_blob"],
        made.id,
        made.subject_id,
        made.kind,
        made.media_type,
        made.size_bytes,
        made.chunks,
        made.created_at_ms,
    )


async def insert_chunk(db: Db, blob_id: str, no: int, sealed: bytes) -> None:
    """Keep one piece."""
    await db.execute(SQL["insert_chunk"], blob_id, no, sealed)


async def complete_blob(db: Db, blob_id: str, *, size_bytes: int, chunks: int) -> None:
    """Say how long a blob became, and of how many pieces."""
    await db.execute(SQL["complete_blob"], blob_id, size_bytes, chunks)


async def blob(db: Db, blob_id: str) -> Blob | None:
    """What a blob is; None when there is none."""
    return one(await db.fetchrow(SQL["blob"], blob_id), Blob)


async def chunk(db: Db, blob_id: str, no: int) -> bytes | None:
    """One piece, sealed."""
    sealed: bytes | None = await db.fetchval(SQL["chunk"], blob_id, no)
    return sealed


async def delete_blob(db: Db, blob_id: str) -> None:
    """Remove a blob with all its pieces."""
    await db.execute(SQL["delete_blob"], blob_id)
