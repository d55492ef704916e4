"""Envelope encryption: each person has a data key, and DATA_KEY wraps them all.

What a person writes is sealed under their own key, so that destroying one row of `subject_keys` makes it
unreadable wherever it lies. Sealed text is `version byte | 12-byte nonce | ciphertext and tag`, AES-256-GCM.
"""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Sequence

import asyncpg
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from store.postgres import keys as rows
from store.postgres.pool import Db
from store.privacy.masters import (
    KEY_BYTES,
    Masters,
    SealBrokenError,
    WrongDataKeyError,
    data_key_name,
    open_,
    seal,
)

__all__ = [
    "DataKey",
    "Keyring",
    "SealBrokenError",
    "ShreddedError",
    "WrongDataKeyError",
]

MARK_BYTES = 16
CACHE_MAX = 20_000
_CARD = b"the mark of a card"


class ShreddedError(Exception):
    """The subject's key was destroyed, or there is none; what it sealed cannot be read."""


class DataKey:
    """One person's key, ready for use; its repr and its errors never show it."""

    __slots__ = ("_cipher", "_marking", "subject_id")

    def __init__(self, subject_id: str, key: bytes) -> None:
        self.subject_id = subject_id
        self._cipher = AESGCM(key)
        # A key of its own for marks, so that one key serves one purpose.
        self._marking = hmac.digest(key, b"marks", "sha256")

    def mark(self, what: bytes) -> bytes:
        """16 bytes that stand for `what` under this key: the same each time, and nothing without the key."""
        return hmac.digest(self._marking, what, "sha256")[:MARK_BYTES]

    def seal(self, aad: bytes, plaintext: bytes) -> bytes:
        """Encrypt; the same `aad` must be given to open it."""
        return seal(self._cipher, aad, plaintext)

    def open(self, aad: bytes, sealed: bytes) -> bytes:
        """Decrypt and authenticate; SealBrokenError when either does not fit."""
        return open_(self._cipher, aad, sealed)


class Keyring:
    """Data keys by subject: made at first use, kept in a bounded cache, wrapped in Postgres.

    `previous` are the values that DATA_KEY had before, of which some key may still be wrapped.
    """

    def __init__(
        self,
        data_key: bytes,
        pool: asyncpg.Pool,
        *,
        now_ms: Callable[[], int],
        previous: Sequence[bytes] = (),
        cache_max: int = CACHE_MAX,
    ) -> None:
        self.masters = Masters(data_key, previous)
        self._pool = pool
        self._now_ms = now_ms
        self._cache: OrderedDict[str, DataKey] = OrderedDict()
        self._cache_max = cache_max

    async def check(self, *, write: bool = True) -> None:
        """At start: WrongDataKeyError unless the keys fit this database. One that is new begins, or is noted.

        Without `write` nothing is: what would be begun is made up for this process alone.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            await self.masters.recognise(connection, now_ms=self._now_ms(), write=write)

    @property
    def root(self) -> bytes:
        """The hub's own secret, 32 bytes, which outlives every DATA_KEY: lasting marks follow from it."""
        if self.masters.root is None:
            raise RuntimeError("check() comes first.")
        return self.masters.root

    async def load(self, subject_id: str) -> DataKey:
        """The subject's key, made if there is none. Raises ShreddedError or WrongDataKeyError."""
        cached = self._cached(subject_id)
        if cached is not None:
            return cached
        return self._keep(
            await self._read(subject_id, self._pool) or await self._make(subject_id, self._pool)
        )

    async def find(self, subject_id: str) -> DataKey:
        """The subject's key, to read with: none is made. Raises ShreddedError where there is none."""
        cached = self._cached(subject_id)
        if cached is not None:
            return cached
        found = await self._read(subject_id, self._pool)
        if found is None:
            raise ShreddedError("There is no such key.")
        return self._keep(found)

    async def within(self, subject_id: str, db: Db) -> DataKey:
        """The subject's key, read or made in the caller's transaction. Raises ShreddedError.

        It asks for no second connection, and keeps nothing that a rollback would undo.
        """
        return await self._read(subject_id, db) or await self._make(subject_id, db)

    async def fresh(self, subject_id: str, db: Db) -> DataKey:
        """A key for what has none yet, in the caller's transaction: it stands or falls with what it seals.

        It is kept in no memory. Raises ValueError when there is one already.
        """
        made = await self._insert(subject_id, db)
        if made is None:
            raise ValueError("This has a key already.")
        return made

    def seal(self, key: DataKey, aad: bytes, plaintext: bytes) -> bytes:
        """Encrypt under a loaded key: no waiting, a few microseconds."""
        return key.seal(aad, plaintext)

    def open(self, key: DataKey, aad: bytes, sealed: bytes) -> bytes:
        """Decrypt under a loaded key; raises SealBrokenError."""
        return key.open(aad, sealed)

    def card_mark(self, fingerprint: str) -> str:
        """A card as a keyed hash, 64 hex digits: the same card is known again, and nobody learns which."""
        key = hmac.digest(self.root, _CARD, hashlib.sha256)
        return hmac.digest(key, fingerprint.encode(), hashlib.sha256).hex()

    def forget(self, subject_id: str) -> None:
        """Drop a key from memory, as after it was shredded."""
        self._cache.pop(subject_id, None)

    async def shred(self, subject_id: str) -> None:
        """Destroy the subject's key. Other processes hold it until `forget` or their end."""
        await rows.shred(self._pool, subject_id, now_ms=self._now_ms())
        self.forget(subject_id)

    def _cached(self, subject_id: str) -> DataKey | None:
        cached = self._cache.get(subject_id)
        if cached is not None:
            self._cache.move_to_end(subject_id)
        return cached

    def _keep(self, key: DataKey) -> DataKey:
        self._cache[key.subject_id] = key
        if len(self._cache) > self._cache_max:
            self._cache.popitem(last=False)
        return key

    async def _read(self, subject_id: str, db: Db) -> DataKey | None:
        found = await rows.subject_key(db, subject_id)
        if found is None:
            return None
        wrapped, version = found
        if wrapped is None:
            raise ShreddedError("The key of this person was destroyed.")
        return DataKey(subject_id, self.masters.unwrap(version, data_key_name(subject_id), wrapped))

    async def _make(self, subject_id: str, db: Db) -> DataKey:
        """Make the subject's key: of two who do, the row that stands wins."""
        made = await self._insert(subject_id, db) or await self._read(subject_id, db)
        if made is None:
            raise ShreddedError("There is no such key.")
        return made

    async def _insert(self, subject_id: str, db: Db) -> DataKey | None:
        key, now_ms = AESGCM.generate_key(KEY_BYTES * 8), self._now_ms()
        version = self.masters.wrapping(now_ms)
        wrapped = self.masters.wrap(version, data_key_name(subject_id), key)
        made = await rows.insert_subject_key(
            db, subject_id, wrapped=wrapped, key_version=version, now_ms=now_ms
        )
        return DataKey(subject_id, key) if made else None
