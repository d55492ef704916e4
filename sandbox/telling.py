"""How the demo tells what happens: one line at a time, money and time in people's words."""

import os
import sys
import time
from datetime import UTC, datetime
from typing import Final

COLOURS: Final = {"guest": "36", "practitioner": "35", "hub": "2", "Stripe": "33"}


class Broken(Exception):
    """The hub did not do what it promises."""


def promised(kept: object, what: str) -> None:
    """Raises Broken unless the promise was kept."""
    if not kept:
        raise Broken(what)


class Teller:
    """Tells what happens, line by line: seconds since the start, who, what. Colour on a terminal only."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ

    def __call__(self, who: str, what: str) -> None:
        """One line."""
        name = f"{who:<12}"
        if self._colour and who in COLOURS:
            name = f"\x1b[{COLOURS[who]}m{name}\x1b[0m"
        print(f"{time.monotonic() - self._began:6.1f} s  {name}  {what}", flush=True)

    def intervals(self, spans: list[tuple[int, int]]) -> None:
        """Every billed `(from_ms, to_ms)`, and what lies between them and costs nothing."""
        before_ms = spans[0][0]
        for from_ms, to_ms in spans:
            if from_ms > before_ms:
                self("hub", f"  not billed  {seconds(from_ms - before_ms):>8}  the line was down")
            self("hub", f"  billed      {seconds(to_ms - from_ms):>8}  {clock(from_ms)} to {clock(to_ms)}")
            before_ms = to_ms


def money(minor: int) -> str:
    """Dollars."""
    return f"${minor / 100:.2f}"


def seconds(ms: int) -> str:
    """A length of time."""
    return f"{ms / 1000:.3f} s"


def clock(at_ms: int) -> str:
    """A time of day, UTC."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%H:%M:%S.%f}"[:-3]
