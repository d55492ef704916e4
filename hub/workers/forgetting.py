"""Every process keeps people's keys in memory; here it learns which were destroyed, and drops them.

It asks the record again and again, and for longer than it asks apart: what is only announced can be missed.
"""

from collections.abc import Callable
from typing import Final

import asyncpg

from store.postgres import keys
from store.privacy.keys import Keyring

AGAIN_MS: Final = 600_000
"""How long a destroyed key is looked for: a read that was under way may have put it back into memory."""
MOST: Final = 10_000


class Forgetting:
    """The duty, in every process that has a keyring."""

    def __init__(self, pool: asyncpg.Pool, keyring: Keyring, *, now_ms: Callable[[], int]) -> None:
        self._pool = pool
        self._keyring = keyring
        self._now_ms = now_ms
        self._asked_ms: int | None = None

    async def run_once(self) -> int:
        """Forget what was destroyed; how many keys that were, those of the last runs among them."""
        asked_ms = self._now_ms()
        since_ms = (self._asked_ms or asked_ms) - AGAIN_MS
        destroyed = await keys.shredded_since(self._pool, since_ms, limit=MOST)
        for subject_id in destroyed:
            self._keyring.forget(subject_id)
        self._asked_ms = asked_ms
        if self._keyring.masters.waits(asked_ms):
            # Somebody may want a new DATA_KEY to wrap before its time.
            await self._keyring.masters.refresh(self._pool)
        return len(destroyed)
