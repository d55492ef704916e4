"""Connections to the store, and the settings without which it must not be used."""

from typing import cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

WAIT_S = 5.0
"""How long a command waits for a connection that is free."""


class UnsafeStore(Exception):
    """The store is set up so that it may drop live sessions."""


def connect(url: str) -> Redis:
    """A client whose commands are retried briefly: every script here is harmless when run twice."""
    # Hundreds who come in the same moment wait for each other; they are not sent away.
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=64,
        timeout=WAIT_S,
        socket_timeout=3.0,
        socket_connect_timeout=2.0,
        health_check_interval=15,
        retry=Retry(ExponentialBackoff(base=0.02, cap=0.2), 3),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        protocol=2,
    )
    return Redis.from_pool(pool)


async def require_safe(redis: Redis) -> None:
    """Raises UnsafeStore when the store may evict keys: a session is no cache entry."""
    memory = await redis.info("memory")
    policy = cast(str, memory.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction" and int(memory.get("maxmemory", 0)) > 0:
        raise UnsafeStore(f"The store evicts keys ({policy}). Set maxmemory-policy to noeviction.")
    if policy != "noeviction":
        raise UnsafeStore(f"The store would evict keys ({policy}). Set maxmemory-policy to noeviction.")
