"""News for every hub at once, whoever is connected to it. It only says where to look."""

from redis.asyncio import Redis

from store.redis.command import command


class Announcements:
    """Tells all hubs."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def announce(self, channel: str) -> None:
        """Wake whoever hears a channel. Who is deaf just now looks again when they hear."""
        await command(self._redis, "SPUBLISH", channel, "")
