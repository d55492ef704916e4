"""The one source of time for the sandbox, which tests may move forward."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from sandbox.state import Store


class Clock:
    """Sandbox time: real time plus whatever was advanced; the advance survives a restart.

    `now_*` dates the vendors' objects. `wall_s` is for what another process checks against its own clock,
    which nobody advanced: access tokens and webhook signatures.
    """

    def __init__(self, store: Store, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._store = store
        self._wall_ns = wall_ns
        saved = store.get("clock", "clock")
        self._advanced_ms: int = saved["advanced_ms"] if saved else 0
        self._moved = asyncio.Event()

    def now_ms(self) -> int:
        """Unix milliseconds of the sandbox."""
        return self._wall_ns() // 1_000_000 + self._advanced_ms

    def now_s(self) -> int:
        """Unix seconds of the sandbox."""
        return self.now_ms() // 1000

    def wall_s(self) -> int:
        """Unix seconds that nobody advanced."""
        return self._wall_ns() // 1_000_000_000

    def advance(self, by_s: int) -> None:
        """Move forward; time never runs backwards. Raises ValueError on a negative step."""
        if by_s < 0:
            raise ValueError("the sandbox clock only moves forward")
        self._advanced_ms += by_s * 1000
        self._store.put("clock", "clock", {"advanced_ms": self._advanced_ms})
        self._moved.set()
        self._moved = asyncio.Event()

    async def sleep(self, ms: int) -> None:
        """Return once this much sandbox time is over, whether it passed by itself or was advanced."""
        until_ms = self.now_ms() + ms
        while (left_ms := until_ms - self.now_ms()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_ms / 1000):
                    await self._moved.wait()
