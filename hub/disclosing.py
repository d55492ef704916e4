"""Notes what leaves for vendors where nobody can wait for the record: places in media channels.

A hub hands out the token and the client shows it, so nothing here goes out itself. While the record is away
the rooms go on, and what is to be noted waits; who comes again the same day is summed up.
"""

from collections.abc import Callable
from typing import Final

import asyncpg
from msgspec.structs import replace

from rooms.ids import UserId
from store.postgres.disclosures import DAY_MS, Disclosure, insert_disclosures
from store.privacy.vendors import VendorId

WAITING: Final = 20_000
"""People and days that wait to be written; beyond this, new ones are left out."""
WRITTEN_AT_ONCE: Final = 500


def of_nobody(_person_id: UserId, _vendor: VendorId, _purpose: str) -> None:
    """Where nothing leaves, nothing is noted."""


class Disclosing:
    """What this process still has to write down. `now_ms` gives Unix milliseconds."""

    def __init__(self, pool: asyncpg.Pool, *, now_ms: Callable[[], int]) -> None:
        self._pool = pool
        self._now_ms = now_ms
        self._waiting: dict[tuple[UserId, VendorId, str, int], Disclosure] = {}

    def note(self, person_id: UserId, vendor: VendorId, purpose: str) -> None:
        """Something of a person goes to a vendor. Never waits, and never fails."""
        now_ms = self._now_ms()
        key = (person_id, vendor, purpose, now_ms // DAY_MS)
        known = self._waiting.get(key)
        if known is not None:
            self._waiting[key] = replace(known, times=known.times + 1)
        elif len(self._waiting) < WAITING:
            self._waiting[key] = Disclosure(person_id, vendor, purpose, now_ms)

    async def run_once(self) -> int:
        """Write what waits; how many rows. What can't be written now is tried again."""
        written = 0
        while self._waiting:
            batch = dict(list(self._waiting.items())[:WRITTEN_AT_ONCE])
            for key in batch:
                del self._waiting[key]
            try:
                await insert_disclosures(self._pool, list(batch.values()))
            except BaseException:
                self._put_back(batch)
                raise
            written += len(batch)
        return written

    def _put_back(self, batch: dict[tuple[UserId, VendorId, str, int], Disclosure]) -> None:
        for key, told in batch.items():
            meanwhile = self._waiting.get(key)
            times = told.times + (meanwhile.times if meanwhile is not None else 0)
            self._waiting[key] = replace(told, times=times)
