"""Signs the head of the audit chain at intervals, and puts it in three places: the database, the live store
and the log. Who cuts entries and heads off in one of them is found out by another.

A chain that does not fit what was signed before is never signed: a person has to look.
"""

from collections.abc import Callable

import asyncpg
import structlog
from redis.asyncio import Redis

from hub.moderation.audit_walk import AuditWalk
from rooms.audit import GENESIS, Entry, Head
from store.postgres import audit, cases
from store.privacy.keys import Keyring
from store.privacy.signing import HeadKey
from store.redis import audit_head

CASE = "audit_chain_broken"

log = structlog.get_logger()


class Heads:
    """The duty. A head is signed `every_ms` after the last one, or at once after `most` further entries."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        redis: Redis,
        key: HeadKey,
        keyring: Keyring,
        *,
        every_ms: int,
        most: int,
        now_ms: Callable[[], int],
    ) -> None:
        self._pool = pool
        self._redis = redis
        self._key = key
        self._keyring = keyring
        self._every_ms = every_ms
        self._most = most
        self._now_ms = now_ms

    async def run_once(self) -> int:
        """Sign what is there, if it is time; 1 when a head was signed. May run in any number of processes."""
        head, elsewhere = await audit.last_head(self._pool), await audit_head.kept(self._redis)
        if head is not None and not self._key.signed(head):
            # Whoever edits entries can also write a head over them; from there on everything would fit.
            await self._broken([f"the head at entry {head.n} was not signed by this key"])
            return 0
        if elsewhere is not None and not self._key.signed(elsewhere):
            await self._broken(["the head kept in the live store was not signed by this key"])
            elsewhere = None
        if problem := await self._contradicted([one for one in (head, elsewhere) if one is not None]):
            await self._broken([problem])
            return 0
        last = await audit.last(self._pool)
        if last is None or not self._is_due(last, head):
            await self._put_back(head, elsewhere)
            return 0
        return await self._sign(head, elsewhere)

    async def _contradicted(self, heads: list[Head]) -> str | None:
        """What a signed head says of an entry that is not so any more."""
        for head in heads:
            found = await audit.page(self._pool, after=head.n - 1, limit=1)
            if not found:
                return f"a head was signed at entry {head.n}, and fewer entries are there"
            if (found[0].n, found[0].digest) != (head.n, head.digest):
                return f"entry {head.n} is not the one that a head was signed over"
        return None

    def _is_due(self, last: Entry, head: Head | None) -> bool:
        if head is None:
            return True
        waited = self._now_ms() - head.signed_at_ms >= self._every_ms
        return last.n > head.n and (waited or last.n - head.n >= self._most)

    async def _sign(self, head: Head | None, elsewhere: Head | None) -> int:
        begun = (0, GENESIS) if head is None else (head.n, head.digest)
        walk = AuditWalk(
            self._pool, self._key, self._keyring, n=begun[0], digest=begun[1], elsewhere=elsewhere
        )
        if await walk.run():
            await self._broken(walk.problems)
            return 0
        signed = self._key.sign(walk.n, walk.digest, signed_at_ms=self._now_ms())
        if not await audit.keep_head(self._pool, signed):
            return 0
        await audit_head.keep(self._redis, signed)
        log.info(
            "audit.head", n=signed.n, digest=signed.digest.hex(), key=signed.key_id, at_ms=signed.signed_at_ms
        )
        return 1

    async def _put_back(self, head: Head | None, elsewhere: Head | None) -> None:
        """The live store lost its data, or who signed died before it was told."""
        if head is not None and (elsewhere is None or elsewhere.n < head.n):
            await audit_head.keep(self._redis, head)

    async def _broken(self, problems: list[str]) -> None:
        opened = await cases.open_case(
            self._pool, CASE, session_id=None, detail={"problems": problems}, now_ms=self._now_ms()
        )
        # The duty comes every second; what it says again and again is read no more.
        if opened:
            log.error("audit.chain_broken", problems=problems)
