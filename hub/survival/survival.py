"""One hub's part in what survives: which epoch it works in, its heartbeat, its checkpoints, and how it gets
back in step with a store that was away.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog
from redis.exceptions import RedisError

from hub import wall_clock
from hub.admission import Admission
from hub.follow import Follows
from hub.hub import Incarnation
from hub.lifespan import Stores
from hub.live import Live
from hub.presence import Presence
from hub.survival.checkpoints import Checkpoints
from hub.survival.heartbeat import Heartbeat
from hub.survival.losses import Losses
from hub.survival.reconcile import Reconcile
from hub.survival.recovery import Recovery
from hub.watchers import Watchers
from rooms.errors import InDoubt, RoomError
from store.postgres import sessions
from store.redis.chat import Chat
from store.redis.clock import StoreClock
from store.redis.directory import Directory
from store.redis.hubs import Hubs
from store.redis.people import People

RECONCILE_AGAIN_S: Final = 0.5

log = structlog.get_logger()


class Survival:
    """Put together from a hub's parts.

    `raise_again` raises anew the flags that the store may have forgotten, `drop_all` closes every socket.
    """

    def __init__(
        self,
        stores: Stores,
        here: Incarnation,
        clock: StoreClock,
        hubs: Hubs,
        live: Live,
        chat: Chat,
        people: People,
        directory: Directory,
        follows: Follows,
        presence: Presence,
        watchers: Watchers,
        admission: Admission,
        *,
        raise_again: Callable[[], Awaitable[object]],
        drop_all: Callable[[str], None],
    ) -> None:
        self._here = here
        self._hubs = hubs
        self._raise_again = raise_again
        recovery = Recovery(stores.pool, hubs, live.rooms, chat, people, directory, now_ms=wall_clock.now_ms)
        self._checkpoints = Checkpoints(stores.pool, live, chat, follows)
        self._losses = Losses(
            here,
            presence,
            watchers,
            follows,
            self._checkpoints,
            recovery,
            admission,
            drop_all=drop_all,
        )
        self._heartbeat = Heartbeat(hubs, here, presence, clock, self._losses)
        self._reconcile = Reconcile(
            here,
            follows,
            presence,
            live,
            chat,
            touched=hubs.rooms_of,
            recorded=partial(sessions.state, stores.pool),
        )

    async def agree(self) -> None:
        """Return once the store and the record are of one epoch."""
        await self._losses.agree()

    async def beat(self) -> int:
        """Say that this hub lives; gives how many sockets it spoke for."""
        return await self._heartbeat.run_once()

    async def checkpoint(self) -> int:
        """Write down the rooms that changed; gives how many."""
        epoch = self._losses.epoch
        return await self._checkpoints.run_once(epoch) if epoch else 0

    def epoch(self) -> str:
        """The epoch that this hub works in. Raises InDoubt before one was agreed."""
        if self._losses.epoch is None:
            raise InDoubt
        return self._losses.epoch

    async def require_known_store(self) -> None:
        """A room is not there. If the store is not the one we know, that says nothing. Raises InDoubt."""
        known = self._losses.epoch
        if known is not None and await self._hubs.epoch() != known:
            raise InDoubt

    async def get_in_step(self) -> None:
        """First whether the store still has its data; then what of its last moments is missing.

        After each restoration at least once: a comparison that began before it knows nothing of what was said
        while the bus was away again, and may have ended the doubt.
        """
        compared = False
        while self._here.in_doubt or not compared:
            try:
                await self.beat()
                await self._raise_again()
                await self._reconcile.run_once()
                compared = True
            except (RedisError, OSError, RoomError) as error:
                log.warning("bus.reconcile_failed", error=type(error).__name__)
                await asyncio.sleep(RECONCILE_AGAIN_S)
