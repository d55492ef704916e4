"""A ZIP file that is written from its beginning to its end and held in memory a little at a time.

The standard library writes it: where it can't seek, sizes and checksums come after each file. What it has
written is taken out again and again, so only the list of files grows.
"""

import hashlib
import time
import zipfile
from typing import IO, Final

from msgspec import Struct

_EARLIEST_S: Final = 315_532_800
"""1980-01-01: the format knows no earlier time."""


class File(Struct, frozen=True):
    """One file of an archive, before compression."""

    path: str
    size_bytes: int
    sha256: str


class _Outlet:
    """Where the ZIP goes; no place to seek in."""

    def __init__(self) -> None:
        self.pending = bytearray()

    def write(self, data: bytes) -> int:
        self.pending += data
        return len(data)

    def flush(self) -> None:
        """There is nothing behind it."""

    def close(self) -> None:
        """There is nothing to let go."""


class Packing:
    """An archive that grows. One file after the other: `begin`, `add` as often as needed, `end`."""

    def __init__(self, *, made_at_ms: int) -> None:
        self._outlet = _Outlet()
        self._zip = zipfile.ZipFile(self._outlet, "w", zipfile.ZIP_DEFLATED)
        self._made = time.gmtime(max(_EARLIEST_S, made_at_ms // 1000))[:6]
        self._open: IO[bytes] | None = None
        self._path, self._size_bytes, self._sha256 = "", 0, hashlib.sha256()
        self.files: list[File] = []

    def begin(self, path: str, *, large: bool = False) -> None:
        """A new file. `large`: it may have more than 2 GiB, which has to be said before."""
        told = zipfile.ZipInfo(path, self._made)
        told.compress_type = zipfile.ZIP_DEFLATED
        told.external_attr = 0o600 << 16
        self._open = self._zip.open(told, "w", force_zip64=large)
        self._path, self._size_bytes, self._sha256 = path, 0, hashlib.sha256()

    def add(self, content: bytes) -> None:
        """Some more of it."""
        if self._open is None:
            raise ValueError("No file was begun.")
        self._open.write(content)
        self._size_bytes += len(content)
        self._sha256.update(content)

    def end(self) -> File:
        """The file is whole."""
        if self._open is None:
            raise ValueError("No file was begun.")
        self._open.close()
        self._open = None
        done = File(self._path, self._size_bytes, self._sha256.hexdigest())
        self.files.append(done)
        return done

    def close(self) -> None:
        """The archive is whole."""
        self._zip.close()

    def taken(self) -> bytes:
        """What of the archive was written since the last time."""
        pending, self._outlet.pending = bytes(self._outlet.pending), bytearray()
        return pending
