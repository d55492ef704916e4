"""The hub's heartbeat: that it lives, when its sockets were heard, and what the store's time is.

Its answer may say that this hub was taken for dead. Then others have closed its meters already, and
everything it holds is stale: it drops its sockets and begins anew under another name.
"""

import time
from collections.abc import Awaitable, Callable

import structlog
from redis.exceptions import RedisError

from hub.hub import Incarnation
from hub.presence import Presence
from store.redis.clock import StoreClock
from store.redis.hubs import Hubs

log = structlog.get_logger()


class Heartbeat:
    """Beats once a second. `fenced` is called when this incarnation is over, `store_lost` with the epoch
    that the store has (None: none at all) when it is not the one this hub knows.
    """

    def __init__(
        self,
        hubs: Hubs,
        here: Incarnation,
        presence: Presence,
        clock: StoreClock,
        *,
        fenced: Callable[[], Awaitable[None]],
        store_lost: Callable[[str | None], Awaitable[None]],
    ) -> None:
        self._hubs = hubs
        self._here = here
        self._presence = presence
        self._clock = clock
        self._fenced = fenced
        self._store_lost = store_lost
        self.epoch: str | None = None

    async def run_once(self) -> int:
        """One beat. Gives how many sockets it spoke for."""
        news = self._presence.news_to_beat()
        try:
            beat = await self._hubs.beat(self._here(), news)
        except (RedisError, OSError) as error:
            # Said again in full next time: what the store has may be older than what we believe it has.
            self._presence.beat_failed()
            log.warning("heartbeat.missed", error=type(error).__name__)
            return 0
        self._clock.read(beat.now_ms, arrived_s=time.monotonic())
        if beat.swept:
            log.warning("hub.fenced", hub=self._here())
            await self._fenced()
        elif self.epoch is not None and beat.epoch != self.epoch:
            log.error("store.lost", had=self.epoch, found=beat.epoch)
            await self._store_lost(beat.epoch)
        return len(news)
