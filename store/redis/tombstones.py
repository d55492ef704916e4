"""Tombstones once more, outside the database: a restored backup of it does not know who left since."""

from collections.abc import AsyncIterator, Sequence

from redis.asyncio import Redis

from store.redis import keys
from store.redis.command import command

PAGE = 500


async def keep(redis: Redis, stones: Sequence[tuple[bytes, str, int]]) -> None:
    """Keep marks, each with why and when it was, Unix milliseconds."""
    if not stones:
        return
    fields = {mark.hex(): f"{erased_at_ms}:{reason}" for mark, reason, erased_at_ms in stones}
    await command(redis, "HSET", keys.TOMBSTONES, *(part for pair in fields.items() for part in pair))


async def known(redis: Redis, marks: Sequence[bytes]) -> set[bytes]:
    """Which of these marks are kept here."""
    found = await command(redis, "HMGET", keys.TOMBSTONES, *(mark.hex() for mark in marks))
    return {mark for mark, value in zip(marks, found, strict=True) if value is not None}


async def pages(redis: Redis) -> AsyncIterator[list[tuple[bytes, str, int]]]:
    """All that are kept here, some at a time. One may come twice."""
    cursor: int = 0
    while True:
        # The client makes (cursor, {field: value}) of it.
        cursor, found = await command(redis, "HSCAN", keys.TOMBSTONES, cursor, "COUNT", PAGE)
        yield [_stone(mark, value) for mark, value in found.items()]
        if cursor == 0:
            return


def _stone(mark: bytes, value: bytes) -> tuple[bytes, str, int]:
    at_ms, _, reason = value.decode().partition(":")
    return bytes.fromhex(mark.decode()), reason, int(at_ms)
