"""When `make` was told to end and tells nobody.

A terminal's Ctrl-C reaches make and its child alike. A SIGINT or SIGHUP sent to make alone does not: GNU
make then waits for its child, with that signal blocked, for ever (only SIGTERM is passed on). And a make that
is killed leaves its child behind.
"""

import os
import signal
from pathlib import Path
from typing import Final

NAMES: Final = frozenset({"make", "gmake"})
ENDING_BITS: Final = sum(1 << (number - 1) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT))


class MakeParent:
    """The make that started this process, if one did."""

    def __init__(self) -> None:
        self.pid = os.getppid()
        self.present = "MAKELEVEL" in os.environ and _name(self.pid) in NAMES

    def ended(self) -> bool:
        """Whether make was told to end, or is gone."""
        if not self.present:
            return False
        return os.getppid() != self.pid or bool(_blocked(self.pid) & ENDING_BITS)


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _blocked(pid: int) -> int:
    """The signals that a process blocks, as a set of bits; none where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in lines if line.startswith("SigBlk:")), 0)
