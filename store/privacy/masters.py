"""DATA_KEY and those before it: which version each is, which one wraps, and whether they fit this database.

A version's canary is a known text sealed under it. A key that opens none is new, or the wrong one. A new key
wraps only after ACTIVE_AFTER_MS, so that every process was restarted with it before it meets what it wrapped.
"""

import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from store.postgres import keys as rows
from store.postgres.keys import Canary, Secret
from store.postgres.pool import Db

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
ACTIVE_AFTER_MS: Final = 600_000
"""How long a new key is known before it wraps: time to restart every process with it."""
ROOT: Final = "root"
FIRST: Final = 1

_FORMAT: Final = b"\x01"
_CANARY: Final = b"the DATA_KEY of this database"


class WrongDataKeyError(Exception):
    """DATA_KEY and DATA_KEY_PREVIOUS do not fit this database. The text names the setting, never a key."""


class SealBrokenError(Exception):
    """The sealed text was changed, belongs elsewhere, or was sealed under another key."""


class _Found(Struct, frozen=True):
    """What a database says of the keys that it was written with; `keys` by version."""

    canaries: list[Canary]
    secret: Secret | None
    keys: dict[int, int]

    @property
    def newest(self) -> int:
        return max([*self.keys, *(canary.key_version for canary in self.canaries)], default=0)


class Masters:
    """The keys that wrap others, by version. Until `recognise` has run, DATA_KEY is taken for the first."""

    __slots__ = ("_active_at_ms", "_given", "_held", "root")

    def __init__(self, data_key: bytes, previous: Sequence[bytes] = ()) -> None:
        if any(len(key) != KEY_BYTES for key in (data_key, *previous)):
            raise ValueError("DATA_KEY must be 32 bytes.")
        if data_key in previous:
            raise WrongDataKeyError("DATA_KEY_PREVIOUS: holds the same key as DATA_KEY")
        self._given = (data_key, *previous)
        self._held = {FIRST: data_key}
        self._active_at_ms = {FIRST: 0}
        self.root: bytes | None = None

    def wrapping(self, now_ms: int) -> int:
        """The version that wraps now: the newest that has been known for long enough."""
        active = [version for version, at_ms in self._active_at_ms.items() if at_ms <= now_ms]
        return max(active, default=min(self._active_at_ms))

    @property
    def newest(self) -> int:
        """The newest version that is held."""
        return max(self._held)

    def waits(self, now_ms: int) -> bool:
        """Whether a newer version is known that does not wrap yet."""
        return any(at_ms > now_ms for at_ms in self._active_at_ms.values())

    def wrap(self, version: int, name: str, key: bytes) -> bytes:
        """A key, wrapped by a version that is held; `name` is what it is bound to."""
        return seal(AESGCM(self._held[version]), _bound(name, version), key)

    def unwrap(self, version: int, name: str, wrapped: bytes) -> bytes:
        """The key again. Raises WrongDataKeyError."""
        held = self._held.get(version)
        if held is None:
            raise WrongDataKeyError(
                f"DATA_KEY: version {version} of it wraps this, and this process was started without that"
            )
        try:
            return open_(AESGCM(held), _bound(name, version), wrapped)
        except SealBrokenError as error:
            raise WrongDataKeyError("DATA_KEY: does not open a key that it should have wrapped") from error

    async def recognise(self, db: Db, *, now_ms: int, write: bool) -> None:
        """Find out which version each key is, and introduce what is new; `write` within a transaction.

        Raises WrongDataKeyError, and then nothing was written.
        """
        if write:
            await rows.lock_canaries(db)
        canaries, secret = await rows.canaries(db), await rows.secret(db, ROOT)
        found = _Found(canaries, secret, await rows.keys_by_version(db))
        versions = [await self._version(db, found, key) for key in self._given]
        _require_fit(found, versions)
        current = versions[0] or found.newest + 1
        self._held = {
            version: key
            for version, key in zip([current, *versions[1:]], self._given, strict=True)
            if version is not None
        }
        await self._keep_canaries(db, found, current, now_ms=now_ms, write=write)
        await self._find_root(db, found, now_ms=now_ms, write=write)

    async def refresh(self, db: Db) -> None:
        """Learn that a version wraps sooner than it was to."""
        for canary in await rows.canaries(db):
            if canary.key_version in self._held:
                self._active_at_ms[canary.key_version] = canary.active_at_ms

    async def _version(self, db: Db, found: _Found, key: bytes) -> int | None:
        """Which version a key is; None when it opens nothing here."""
        cipher = AESGCM(key)
        for canary in found.canaries:
            if _opens(cipher, _canary_aad(canary.key_version), canary.sealed, _CANARY):
                return canary.key_version
        for version in sorted(found.keys):
            if await _opens_some(db, found, cipher, version):
                if any(canary.key_version == version for canary in found.canaries):
                    raise WrongDataKeyError(
                        f"DATA_KEY: fits, but the row of version {version} in key_canaries was changed;"
                        " remove it, and the next start puts it back"
                    )
                return version
        return None

    async def _keep_canaries(self, db: Db, found: _Found, current: int, *, now_ms: int, write: bool) -> None:
        known = {canary.key_version: canary.active_at_ms for canary in found.canaries}
        self._active_at_ms = {version: known.get(version, now_ms) for version in self._held}
        if current not in known and found.newest and current > found.newest:
            self._active_at_ms[current] = now_ms + ACTIVE_AFTER_MS
        for version in self._held.keys() - known.keys() if write else ():
            sealed = seal(AESGCM(self._held[version]), _canary_aad(version), _CANARY)
            await rows.insert_canary(
                db, version, sealed=sealed, now_ms=now_ms, active_at_ms=self._active_at_ms[version]
            )

    async def _find_root(self, db: Db, found: _Found, *, now_ms: int, write: bool) -> None:
        if found.secret is not None:
            try:
                self.root = self.unwrap(found.secret.key_version, ROOT, found.secret.wrapped)
            except WrongDataKeyError as error:
                raise WrongDataKeyError(
                    "DATA_KEY: does not open the row in hub_secrets, which was changed"
                ) from error
            return
        # A database from before there was a root secret goes on with what everything followed from there.
        self.root = self._held[min(self._held)] if found.newest else os.urandom(KEY_BYTES)
        if write:
            version = self.wrapping(now_ms)
            await rows.insert_secret(
                db, ROOT, wrapped=self.wrap(version, ROOT, self.root), key_version=version, now_ms=now_ms
            )


def _require_fit(found: _Found, versions: Sequence[int | None]) -> None:
    """Whether the keys that were given are enough for this database, and none is of another."""
    current, previous = versions[0], versions[1:]
    held = {version for version in versions if version is not None}
    if found.newest and not held:
        raise WrongDataKeyError(
            "DATA_KEY: is not the key that this database was written with; if it is new, the one before it"
            " belongs into DATA_KEY_PREVIOUS, and if neither fits, the database is another hub's"
        )
    if None in previous:
        raise WrongDataKeyError("DATA_KEY_PREVIOUS: holds a key that this database was not written with")
    if current is not None and max(held) > current:
        raise WrongDataKeyError("DATA_KEY: is older than a key in DATA_KEY_PREVIOUS; are they swapped?")
    for version in sorted(found.keys.keys() - held):
        if current is not None and version > current:
            raise WrongDataKeyError(
                f"DATA_KEY: is version {current} of this database's key, and version {version} came after it"
            )
        raise WrongDataKeyError(
            f"DATA_KEY_PREVIOUS: lacks version {version} of the key, which wraps {found.keys[version]} keys"
        )


async def _opens_some(db: Db, found: _Found, cipher: AESGCM, version: int) -> bool:
    """Whether a key opens something that this version is on record for."""
    if found.secret is not None and found.secret.key_version == version:
        return _opens(cipher, _bound(ROOT, version), found.secret.wrapped)
    some = await rows.key_of_version(db, version)
    return some is not None and _opens(cipher, _bound(data_key_name(some[0]), version), some[1])


def _opens(cipher: AESGCM, aad: bytes, sealed: bytes, expected: bytes | None = None) -> bool:
    try:
        opened = open_(cipher, aad, sealed)
    except SealBrokenError:
        return False
    return expected is None or opened == expected


def data_key_name(subject_id: str) -> str:
    """What a subject's wrapped key is bound to."""
    return f"data-key:{subject_id}"


def _bound(name: str, version: int) -> bytes:
    return f"{name}:{version}".encode("ascii")


def _canary_aad(version: int) -> bytes:
    return f"canary:{version}".encode("ascii")


def seal(cipher: AESGCM, aad: bytes, plaintext: bytes) -> bytes:
    """`version byte | 12-byte nonce | ciphertext and tag`."""
    # Random nonces of 96 bits are safe for 2^32 texts under one key: far beyond one person's life.
    nonce = os.urandom(NONCE_BYTES)
    return _FORMAT + nonce + cipher.encrypt(nonce, plaintext, aad)


def open_(cipher: AESGCM, aad: bytes, sealed: bytes) -> bytes:
    """What was sealed. Raises SealBrokenError."""
    if sealed[:1] != _FORMAT:
        raise SealBrokenError("The sealed text has an unknown format.")
    try:
        return cipher.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], aad)
    except (InvalidTag, ValueError) as error:
        # One message for every cause: which one it was is nobody's business.
        raise SealBrokenError("The sealed text does not open.") from error
