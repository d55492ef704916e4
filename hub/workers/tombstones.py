"""Erases again whoever a restored backup brought back: in the tombstones, and yet in the record."""

from collections.abc import Callable

import asyncpg
import structlog
import uuid_utils
from redis.asyncio import Redis

from rooms.ids import UserId
from store.postgres import erasures
from store.privacy import tombstones
from store.privacy.keys import Keyring

log = structlog.get_logger()


class Tombstones:
    """The duty. Its first run looks at everybody; later ones at a page, or at everybody once more where the
    database turned out to be older than what it held before.
    """

    def __init__(
        self, pool: asyncpg.Pool, redis: Redis, keyring: Keyring, *, now_ms: Callable[[], int]
    ) -> None:
        self._pool = pool
        self._redis = redis
        self._keyring = keyring
        self._now_ms = now_ms
        self._after: UserId | None = None
        self._everybody = True

    async def run_once(self) -> int:
        """Order what is to be done again; how many people that were."""
        lost = await tombstones.compare(self._pool, self._redis, self._keyring)
        if lost:
            log.error("tombstones.lost", count=lost)
            self._everybody = True
        if self._everybody:
            self._after = None
        ordered = await self._page()
        while self._everybody and self._after is not None:
            ordered += await self._page()
        self._everybody = False
        return ordered

    async def _page(self) -> int:
        risen, self._after = await tombstones.risen(self._pool, self._keyring, self._after)
        return sum([await self._again(user_id) for user_id in risen])

    async def _again(self, user_id: UserId) -> bool:
        now_ms = self._now_ms()
        ordered = await erasures.order(
            self._pool,
            receipt=str(uuid_utils.uuid7()),
            user_id=user_id,
            source="restored",
            ordered_by=None,
            session_id=None,
            received_at_ms=now_ms,
            now_ms=now_ms,
            cancellable_until_ms=now_ms,
            from_ms=now_ms,
        )
        if ordered:
            log.error("tombstones.risen")
        return ordered
