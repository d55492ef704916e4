"""Sign-ins that were ended before their tokens expire. An access token cannot be called back, so the hub
remembers for as long as one may live which of a person's tokens it no longer takes.
"""

from typing import Literal

import msgpack
from redis.asyncio import Redis

from rooms.ids import UserId
from store.redis import keys
from store.redis.command import command

KEPT_S = 8 * 86_400
"""Longer than any access token is taken for."""

Scope = Literal["local", "others", "global"]
"""This sign-in, every other one, or all: as the identity provider names them."""

ALL = "*"


class Revocations:
    """Which sign-ins are over."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def revoke(self, user_id: UserId, sign_in: str, scope: Scope, *, at_s: int) -> None:
        """End sign-ins as of `at_s`, Unix seconds, seen from the one that asks. Every hub is told."""
        key = keys.revoked(user_id)
        kept = sign_in if scope == "others" else ""
        field, value = (sign_in, "") if scope == "local" else (ALL, kept)
        pipe = self._redis.pipeline(transaction=False)
        pipe.hset(key, field, f"{at_s}:{value}")
        pipe.expire(key, KEPT_S)
        await pipe.execute()
        channel = keys.person(user_id)
        await command(self._redis, "SPUBLISH", channel, msgpack.packb(["revoke", ""], use_bin_type=False))

    async def is_revoked(self, user_id: UserId, sign_in: str, *, issued_at_s: int) -> bool:
        """Whether a token of this sign-in, issued then, is no longer taken."""
        own, every = await command(self._redis, "HMGET", keys.revoked(user_id), sign_in, ALL)
        if own is not None:
            return True
        if every is None:
            return False
        at_s, _, kept = every.decode().partition(":")
        return sign_in != kept and issued_at_s <= int(at_s)
