"""Makes one export: takes it up, writes its archive piece by piece, and lets it be had.

Whoever has taken an export up is known by its attempt. Every piece is kept in one transaction with a look
whether that is still the last one, so of two who think an export theirs only one writes, and there is never a
second archive. An attempt begins from the start, and the archive of the one before it goes.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import asyncpg

from store.postgres import blobs as blob_rows
from store.postgres import exports
from store.postgres.exports import Export
from store.postgres.pool import Db
from store.privacy import blobs
from store.privacy.exports import contents
from store.privacy.exports.contents import Source
from store.privacy.exports.writing import Writing
from store.privacy.keys import DataKey, Keyring
from store.privacy.retention import Ages

QUEUE: Final = "exports"
"""Under which name its jobs are queued."""
KIND: Final = "export"
MEDIA_TYPE: Final = "application/zip"

Advanced = Callable[[int], Awaitable[None]]
"""Is told the progress in permille."""
Reached = Callable[[str], Awaitable[None]]
"""Is awaited at a point from which somebody else may have to go on, by its name."""


class NotOurs(Exception):
    """Somebody else has taken the export up meanwhile, or it was ended."""


class Making:
    """One attempt at one export. After `lease_ms` without a sign of life, somebody else takes it up."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        keyring: Keyring,
        taken: Export,
        *,
        now_ms: Callable[[], int],
        lease_ms: int,
        advanced: Advanced,
        reached: Reached,
        ages: Ages,
    ) -> None:
        self._ages = ages
        self._pool = pool
        self._keyring = keyring
        self._taken = taken
        self._now_ms = now_ms
        self._lease_ms = lease_ms
        self._advanced = advanced
        self._reached = reached
        self._seen_ms = now_ms()
        self._permille = 0

    async def run(self, *, keep_ms: int) -> None:
        """Make it, to be had for `keep_ms`. Raises NotOurs, ShreddedError, and what the store raises."""
        key = await self._keyring.load(self._taken.person_id)
        blob_id = await self._begin()
        younger = partial(self._ages.shown_after_ms, now_ms=self._now_ms())
        source = Source(self._pool, key, self._taken.person_id, younger)
        writing = Writing(
            made_at_ms=self._now_ms(),
            total=await contents.units(source),
            keep=lambda no, piece: self._keep(key, blob_id, no, piece),
            alive=self._alive,
        )
        await contents.write(source, writing)
        no, piece, size_bytes, sha256 = await writing.close()
        await self._reached("packed")
        async with self._pool.acquire() as connection, connection.transaction():
            now_ms = self._now_ms()
            if not await exports.ready(
                connection,
                self._taken,
                size_bytes=size_bytes,
                sha256=sha256,
                now_ms=now_ms,
                expires_at_ms=now_ms + keep_ms,
            ):
                raise NotOurs
            await blobs.put(connection, key, blob_id, no, piece, last=True)
            await blob_rows.complete_blob(connection, blob_id, size_bytes=size_bytes, chunks=no + 1)

    async def _begin(self) -> str:
        async with self._pool.acquire() as connection, connection.transaction():
            await self._still_ours(connection)
            made = await blobs.begin(
                connection,
                self._taken.person_id,
                kind=KIND,
                media_type=MEDIA_TYPE,
                now_ms=self._now_ms(),
            )
            await exports.write_into(connection, self._taken, made.id)
            if self._taken.blob_id is not None:
                await blob_rows.delete_blob(connection, self._taken.blob_id)
        return made.id

    async def _keep(self, key: DataKey, blob_id: str, no: int, piece: bytes) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            await self._still_ours(connection)
            await blobs.put(connection, key, blob_id, no, piece, last=False)
        await self._reached("piece")

    async def _alive(self, permille: int) -> None:
        """Say that somebody is at work, when it was not said for a while, and tell of progress."""
        if permille > self._permille:
            self._permille = permille
            await self._advanced(permille)
        if self._now_ms() - self._seen_ms >= self._lease_ms // 3:
            await self._still_ours(self._pool)

    async def _still_ours(self, db: Db) -> None:
        now_ms = self._now_ms()
        until_ms = now_ms + self._lease_ms
        if not await exports.went_on(db, self._taken, progress_permille=self._permille, until_ms=until_ms):
            raise NotOurs
        self._seen_ms = now_ms
