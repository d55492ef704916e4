"""Wrapped data keys as rows; `store.privacy.keys` knows what is in them."""

from store.postgres.pool import Db
from store.postgres.statements import statements

SQL = statements("keys")


async def subject_key(db: Db, subject_id: str) -> tuple[bytes | None, int] | None:
    """The wrapped key (None once shredded) and the version of the key that wraps it; None for no row."""
    row = await db.fetchrow(SQL["subject_key"], subject_id)
    return None if row is None else (row["wrapped"], row["key_version"])


async def insert_subject_key(
    db: Db, subject_id: str, *, wrapped: bytes, key_version: int, now_ms: int
) -> bool:
    """Keep a new key; False when the subject has one already."""
    made = await db.fetchval(SQL["insert_subject_key"], subject_id, wrapped, key_version, now_ms)
    return made is not None


async def shred(db: Db, subject_id: str, *, now_ms: int) -> None:
    """Destroy the key, for good: what it sealed is unreadable from now on, in every copy and backup-to-be."""
    await db.execute(SQL["shred"], subject_id, now_ms)


async def shredded_since(db: Db, since_ms: int, *, limit: int) -> list[str]:
    """Whose keys were destroyed since then, the latest first."""
    return [row["subject_id"] for row in await db.fetch(SQL["shredded_since"], since_ms, limit)]


async def canary(db: Db, key_version: int) -> bytes | None:
    """The sealed known text of a key version."""
    sealed: bytes | None = await db.fetchval(SQL["canary"], key_version)
    return sealed


async def insert_canary(db: Db, key_version: int, *, sealed: bytes, now_ms: int) -> None:
    """Keep the known text of a key version, unless there is one."""
    await db.execute(SQL["insert_canary"], key_version, sealed, now_ms)
