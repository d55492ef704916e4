"""The hub's heartbeat: that it lives, when its sockets were heard, and what the store's time is.

Its answer may say that this hub was taken for dead. Then others have closed its meters already, and
everything it holds is stale: it drops its sockets and begins anew under another name.
"""

import time

import structlog
from redis.exceptions import RedisError

from hub.hub import Incarnation
from hub.presence import Presence
from hub.survival.losses import Losses
from store.redis.clock import StoreClock
from store.redis.hubs import Hubs

log = structlog.get_logger()


class Heartbeat:
    """Beats once a second. What its answers reveal to be lost is `losses`' business."""

    def __init__(
        self, hubs: Hubs, here: Incarnation, presence: Presence, clock: StoreClock, losses: Losses
    ) -> None:
        self._hubs = hubs
        self._here = here
        self._presence = presence
        self._clock = clock
        self._losses = losses

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
            await self._losses.fenced()
        elif beat.epoch != self._losses.epoch:
            log.error("store.lost", had=self._losses.epoch, found=beat.epoch)
            await self._losses.store_lost(beat.epoch)
            # That took a while, and only a hub that beats can vouch for those who come back now.
            return await self.run_once()
        return len(news)
