"""Wrapped data keys as rows; `store.privacy.keys` and `.masters` know what is in them."""

from collections.abc import Sequence

from msgspec import Struct

from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("keys")


class WrappedKey(Struct, frozen=True):
    """A data key, wrapped by that version of DATA_KEY."""

    subject_id: str
    wrapped: bytes
    key_version: int


class Canary(Struct, frozen=True):
    """A known text, sealed under one version of DATA_KEY, which wraps from `active_at_ms` on."""

    key_version: int
    sealed: bytes
    active_at_ms: int


class Secret(Struct, frozen=True):
    """A secret of the hub's own, wrapped by that version of DATA_KEY."""

    wrapped: bytes
    key_version: int


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


async def older_keys(db: Db, key_version: int, *, after: str | None, limit: int) -> list[WrappedKey]:
    """Keys that a version before this one wraps, in the order of their subjects."""
    return many(await db.fetch(SQL["older_keys"], key_version, after, limit), WrappedKey)


async def rewrap(db: Db, key_version: int, found: Sequence[WrappedKey], anew: Sequence[bytes]) -> int:
    """Put keys that were wrapped anew in the place of those that were read; how many still stood there."""
    rows = await db.fetch(
        SQL["rewrap"],
        key_version,
        [one.subject_id for one in found],
        [one.wrapped for one in found],
        list(anew),
    )
    return len(rows)


async def keys_by_version(db: Db) -> dict[int, int]:
    """How many keys each version of DATA_KEY wraps, the hub's own secret among them."""
    return {row["key_version"]: row["keys"] for row in await db.fetch(SQL["keys_by_version"])}


async def key_of_version(db: Db, key_version: int) -> tuple[str, bytes] | None:
    """Subject and wrapped key of any one that this version wraps."""
    row = await db.fetchrow(SQL["key_of_version"], key_version)
    return None if row is None else (row["subject_id"], row["wrapped"])


async def lock_canaries(db: Db) -> None:
    """Until the transaction ends, nobody else introduces a key."""
    await db.execute(SQL["lock_canaries"])


async def canaries(db: Db) -> list[Canary]:
    """The known texts, the oldest version first."""
    return many(await db.fetch(SQL["canaries"]), Canary)


async def insert_canary(db: Db, key_version: int, *, sealed: bytes, now_ms: int, active_at_ms: int) -> None:
    """Keep the known text of a key version, unless there is one."""
    await db.execute(SQL["insert_canary"], key_version, sealed, now_ms, active_at_ms)


async def activate(db: Db, key_version: int, *, now_ms: int) -> None:
    """Have a version wrap from now on, and not only later."""
    await db.execute(SQL["activate"], key_version, now_ms)


async def secret(db: Db, name: str) -> Secret | None:
    """A secret of the hub's own."""
    return one(await db.fetchrow(SQL["secret"], name), Secret)


async def insert_secret(db: Db, name: str, *, wrapped: bytes, key_version: int, now_ms: int) -> None:
    """Keep a secret, unless there is one."""
    await db.execute(SQL["insert_secret"], name, wrapped, key_version, now_ms)


async def rewrap_secret(db: Db, name: str, key_version: int, *, before: bytes, after: bytes) -> bool:
    """Put a secret that was wrapped anew in its place; False when it was not there as it was read."""
    return await db.fetchval(SQL["rewrap_secret"], name, key_version, before, after) is not None
