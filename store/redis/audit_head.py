"""The audit chain's newest signed head, kept where whoever changes the database does not reach."""

import msgspec
from redis.asyncio import Redis

from rooms.audit import Head
from store.redis import keys
from store.redis.command import command


async def keep(redis: Redis, head: Head) -> None:
    """Keep a head in place of the one before it."""
    await command(redis, "SET", keys.AUDIT_HEAD, msgspec.json.encode(head))


async def kept(redis: Redis) -> Head | None:
    """The head that is kept; None when there is none, or what is there is no head."""
    raw = await command(redis, "GET", keys.AUDIT_HEAD)
    try:
        return None if raw is None else msgspec.json.decode(raw, type=Head)
    except msgspec.DecodeError:
        return None
