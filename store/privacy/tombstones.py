"""Who was erased, so that a restored backup does not bring them back: marks under a key that the database
lacks.

    key = HMAC-SHA-256(root secret, "tombstones"),  mark = HMAC-SHA-256(key, id of the person)

The root secret is as old as the database, so every backup has it, and it outlives an exchange of DATA_KEY.
Marks lie in both stores: each puts back what the other lost.
"""

import hashlib
import hmac
from typing import Final

import asyncpg
from redis.asyncio import Redis

from rooms.ids import UserId
from store.postgres import erasures
from store.postgres import tombstones as rows
from store.postgres.pool import Db
from store.privacy.keys import Keyring
from store.redis import tombstones as copies

PAGE: Final = 500
_USE: Final = b"tombstones"


def mark(keyring: Keyring, user_id: UserId) -> bytes:
    """32 bytes that stand for somebody, and lead to them only with the key and their id at hand."""
    key = hmac.digest(keyring.root, _USE, hashlib.sha256)
    return hmac.digest(key, user_id.encode("ascii"), hashlib.sha256)


async def bury(db: Db, redis: Redis, keyring: Keyring, user_id: UserId, *, reason: str, now_ms: int) -> None:
    """Note for ever, in both stores, that this person is erased. Repeated, it changes nothing that counts."""
    stones = [(mark(keyring, user_id), reason, now_ms)]
    await rows.bury(db, stones)
    await copies.keep(redis, stones)


async def buried(db: Db, keyring: Keyring, user_id: UserId) -> bool:
    """Whether this person is, or is being, erased for good: nobody makes them a new profile."""
    return bool(await rows.known(db, [mark(keyring, user_id)]))


async def risen(db: Db, keyring: Keyring, after: UserId | None) -> tuple[list[UserId], UserId | None]:
    """Of the next people with a profile, those who were erased before; and where to go on, or None."""
    return await _risen(db, None, keyring, after)


async def returned(pool: asyncpg.Pool, redis: Redis | None, keyring: Keyring) -> list[UserId]:
    """Whoever was erased and is in the record again, and nobody is about to erase them: it looks at
    everybody.

    Nothing is changed. Without `redis` only what the database itself remembers is compared.
    """
    found: list[UserId] = []
    after: UserId | None = None
    while True:
        page, after = await _risen(pool, redis, keyring, after)
        found += [user_id for user_id in page if not await erasures.pending(pool, user_id)]
        if after is None:
            return found


async def _risen(
    db: Db, redis: Redis | None, keyring: Keyring, after: UserId | None
) -> tuple[list[UserId], UserId | None]:
    page = await rows.people_after(db, after=after, limit=PAGE)
    marks = {mark(keyring, user_id): user_id for user_id in page}
    known = await rows.known(db, list(marks)) if marks else set()
    if redis is not None and marks:
        known |= await copies.known(redis, list(marks))
    return [marks[one] for one in known], page[-1] if len(page) == PAGE else None


async def compare(pool: asyncpg.Pool, redis: Redis, keyring: Keyring) -> int:
    """Let each store have the marks of the other. How many the database had lost: more than none, and it is
    older than what it held before.
    """
    await _mark_old(pool, keyring)
    lost = 0
    async for stones in copies.pages(redis):
        lost += await rows.bury(pool, stones) if stones else 0
    after = 0
    while page := await rows.page(pool, after=after, limit=PAGE):
        await copies.keep(redis, [(one.mark, one.reason, one.erased_at_ms) for one in page])
        after = page[-1].n
    return lost


async def _mark_old(pool: asyncpg.Pool, keyring: Keyring) -> None:
    """Ids from before there were marks become marks."""
    for user_id in await rows.unmarked(pool, limit=PAGE):
        await rows.mark(pool, user_id, mark(keyring, user_id))
