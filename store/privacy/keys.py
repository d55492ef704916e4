"""Envelope encryption: each person has a data key, and DATA_KEY wraps them all.

What a person writes is sealed under their own key, so that destroying one row of `subject_keys` makes it
unreadable wherever it lies. Sealed text is `version byte | 12-byte nonce | ciphertext and tag`, AES-256-GCM.
"""

import hashlib
import hmac
import os
from collections import OrderedDict
from collections.abc import Callable

import asyncpg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from store.postgres import keys as rows
from store.postgres.pool import Db

KEY_BYTES = 32
NONCE_BYTES = 12
MARK_BYTES = 16
KEY_VERSION = 1
"""Which DATA_KEY wraps; it rises when DATA_KEY is exchanged and the data keys are wrapped anew."""

CACHE_MAX = 20_000
_FORMAT = b"\x01"
_CANARY = b"the DATA_KEY of this database"
_CARD = b"the mark of a card"


class WrongDataKeyError(Exception):
    """DATA_KEY is not the one this database was written with."""


class ShreddedError(Exception):
    """The subject's key was destroyed; what it sealed cannot be read."""


class SealBrokenError(Exception):
    """The sealed text was changed, belongs elsewhere, or was sealed under another key."""


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
        # Random nonces of 96 bits are safe for 2^32 messages under one key: far beyond one person's life.
        nonce = os.urandom(NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, plaintext, aad)

    def open(self, aad: bytes, sealed: bytes) -> bytes:
        """Decrypt and authenticate; SealBrokenError when either does not fit."""
        return _open(self._cipher, aad, sealed)


class Keyring:
    """Data keys by subject: made at first use, kept in a bounded cache, wrapped in Postgres."""

    def __init__(
        self,
        data_key: bytes,
        pool: asyncpg.Pool,
        *,
        now_ms: Callable[[], int],
        cache_max: int = CACHE_MAX,
    ) -> None:
        if len(data_key) != KEY_BYTES:
            raise ValueError("DATA_KEY must be 32 bytes.")
        self._master = AESGCM(data_key)
        self._card_key = hmac.digest(data_key, _CARD, hashlib.sha256)
        self._pool = pool
        self._now_ms = now_ms
        self._cache: OrderedDict[str, DataKey] = OrderedDict()
        self._cache_max = cache_max

    async def load(self, subject_id: str) -> DataKey:
        """The subject's key, made if there is none. Raises ShreddedError or WrongDataKeyError."""
        cached = self._cache.get(subject_id)
        if cached is not None:
            self._cache.move_to_end(subject_id)
            return cached
        key = DataKey(subject_id, await self._fetch(subject_id))
        self._cache[subject_id] = key
        if len(self._cache) > self._cache_max:
            self._cache.popitem(last=False)
        return key

    async def fresh(self, subject_id: str, db: Db) -> DataKey:
        """A key for what has none yet, in the caller's transaction: it stands or falls with what it seals.

        It is kept in no memory. Raises ValueError when there is one already.
        """
        key = AESGCM.generate_key(KEY_BYTES * 8)
        wrapped = self._wrap(_wrap_aad(subject_id, KEY_VERSION), key)
        if not await rows.insert_subject_key(
            db, subject_id, wrapped=wrapped, key_version=KEY_VERSION, now_ms=self._now_ms()
        ):
            raise ValueError("This has a key already.")
        return DataKey(subject_id, key)

    def seal(self, key: DataKey, aad: bytes, plaintext: bytes) -> bytes:
        """Encrypt under a loaded key: no waiting, a few microseconds."""
        return key.seal(aad, plaintext)

    def open(self, key: DataKey, aad: bytes, sealed: bytes) -> bytes:
        """Decrypt under a loaded key; raises SealBrokenError."""
        return key.open(aad, sealed)

    def card_mark(self, fingerprint: str) -> str:
        """A card as a keyed hash, 64 hex digits: the same card is known again, and nobody else is told which.

        It is the same for as long as DATA_KEY is.
        """
        return hmac.digest(self._card_key, fingerprint.encode(), hashlib.sha256).hex()

    def forget(self, subject_id: str) -> None:
        """Drop a key from memory, as after it was shredded."""
        self._cache.pop(subject_id, None)

    async def shred(self, subject_id: str) -> None:
        """Destroy the subject's key. Other processes hold it until `forget` or their end."""
        await rows.shred(self._pool, subject_id, now_ms=self._now_ms())
        self.forget(subject_id)

    async def check(self) -> None:
        """At start: WrongDataKeyError unless DATA_KEY opens what this database was first written with."""
        await rows.insert_canary(
            self._pool, KEY_VERSION, sealed=self._wrap(_canary_aad(), _CANARY), now_ms=self._now_ms()
        )
        sealed = await rows.canary(self._pool, KEY_VERSION)
        try:
            known = b"" if sealed is None else _open(self._master, _canary_aad(), sealed)
        except SealBrokenError:
            known = b""
        if known != _CANARY:
            raise WrongDataKeyError("DATA_KEY is not the key that this database was written with.")

    async def _fetch(self, subject_id: str) -> bytes:
        """Read the subject's key, or be the first to make it: of two, the row that stands wins."""
        found = await rows.subject_key(self._pool, subject_id)
        if found is None:
            fresh = AESGCM.generate_key(KEY_BYTES * 8)
            wrapped = self._wrap(_wrap_aad(subject_id, KEY_VERSION), fresh)
            if await rows.insert_subject_key(
                self._pool, subject_id, wrapped=wrapped, key_version=KEY_VERSION, now_ms=self._now_ms()
            ):
                return fresh
            found = await rows.subject_key(self._pool, subject_id)
        if found is None or found[0] is None:
            raise ShreddedError("The key of this person was destroyed.")
        try:
            return _open(self._master, _wrap_aad(subject_id, found[1]), found[0])
        except SealBrokenError as error:
            raise WrongDataKeyError("DATA_KEY does not open this person's key.") from error

    def _wrap(self, aad: bytes, key: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return _FORMAT + nonce + self._master.encrypt(nonce, key, aad)


def message_aad(message_id: str) -> bytes:
    """What a message's body is bound to: its id, so that a body moved to another message does not open."""
    return message_id.encode("ascii")


def _wrap_aad(subject_id: str, key_version: int) -> bytes:
    return f"data-key:{subject_id}:{key_version}".encode("ascii")


def application_aad(application_id: str) -> bytes:
    """What an applicant's words about themselves are bound to."""
    return f"applications:about:{application_id}".encode("ascii")


def _canary_aad() -> bytes:
    return f"canary:{KEY_VERSION}".encode("ascii")


def _open(cipher: AESGCM, aad: bytes, sealed: bytes) -> bytes:
    if sealed[:1] != _FORMAT:
        raise SealBrokenError("The sealed text has an unknown format.")
    try:
        return cipher.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], aad)
    except (InvalidTag, ValueError) as error:
        # One message for every cause: which one it was is nobody's business.
        raise SealBrokenError("The sealed text does not open.") from error
