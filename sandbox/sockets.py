"""Where a server's Unix socket can live."""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

# The shortest limit of the systems we run on (macOS: 104 bytes with the closing zero).
PATH_MAX_BYTES: Final = 103
LONGEST_NAME: Final = ".s.PGSQL.5432"


def socket_dir(data: Path) -> Path:
    """A directory for a server's socket: `data` itself, or a short private one when its path is too long.

    The short one is derived from `data`, so a server finds its address again after a restart. Raises
    `PermissionError` when somebody else made that directory first.
    """
    data = data.resolve()
    if _fits(data):
        return data
    name = f"allinya-{hashlib.sha256(os.fsencode(data)).hexdigest()[:16]}"
    temporary = Path(tempfile.gettempdir())
    short = next(path / name for path in (temporary, Path("/tmp")) if _fits(path / name))  # noqa: S108
    short.mkdir(mode=0o700, exist_ok=True)
    if short.is_symlink() or short.stat().st_uid not in (os.geteuid(), data.stat().st_uid):
        raise PermissionError(f"{short} belongs to somebody else")
    return short


def leave_socket_dir(data: Path) -> None:
    """Remove the short directory, if one was needed, after the server has left it."""
    short = socket_dir(data)
    if short != data.resolve():
        with suppress(OSError):
            (short / "valkey.sock").unlink(missing_ok=True)
            short.rmdir()


def _fits(directory: Path) -> bool:
    return len(os.fsencode(directory / LONGEST_NAME)) <= PATH_MAX_BYTES
