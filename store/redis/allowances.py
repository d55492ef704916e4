"""What a person may do only now and then, counted across all hubs."""

from redis.asyncio import Redis

from rooms.ids import UserId
from store.redis import keys
from store.redis.script import Script

_take = Script("allowance_take")

HOUR_MS = 3_600_000


class Allowances:
    """Limits that are rare and global: so many an hour."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def take(self, user_id: UserId, what: str, *, per_hour: int) -> int:
        """Take one. 0 when it was there, else after how many ms to try again. A limit of 0 is lifted.

        Raises the client's errors when the store is away: what is limited then does not happen.
        """
        if per_hour <= 0:
            return 0
        interval_ms = HOUR_MS // per_hour
        return int(await _take.run(self._redis, [keys.allowance(user_id, what)], [interval_ms, per_hour]))
