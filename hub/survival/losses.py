"""What a hub does when it learns that what it holds is no longer true: let everybody go, and begin again."""

import asyncio
from collections.abc import Callable

import structlog
import uuid_utils

from hub.admission import Admission
from hub.errors import Code, Refused
from hub.follow import Follows
from hub.hub import Incarnation
from hub.moderation import suspending
from hub.presence import Presence
from hub.survival.checkpoints import Checkpoints
from hub.survival.recovery import Recovery
from hub.watchers import Watchers
from rooms.ids import HubId

log = structlog.get_logger()

RECOVERING = "The hub is recovering; try again in a moment."


class Losses:
    """What follows from being fenced, and from the store losing its data. `epoch` is the one we work in."""

    def __init__(
        self,
        here: Incarnation,
        presence: Presence,
        watchers: Watchers,
        follows: Follows,
        checkpoints: Checkpoints,
        recovery: Recovery,
        admission: Admission,
        *,
        drop_all: Callable[[str], None],
    ) -> None:
        self._here = here
        self._presence = presence
        self._watchers = watchers
        self._follows = follows
        self._checkpoints = checkpoints
        self._recovery = recovery
        self._admission = admission
        self._drop_all = drop_all
        self._one_at_a_time = asyncio.Lock()
        self.epoch: str | None = None

    async def agree(self) -> None:
        """Return once the store and the record are of one epoch."""
        self.epoch = await self._recovery.ensure()
        await suspending.remember_all(self._admission)

    async def fenced(self) -> None:
        """The hub was taken for dead, and others have closed its meters: it begins anew under another id."""
        self._let_everyone_go("fenced")
        self._here.id = HubId(str(uuid_utils.uuid7()))
        log.warning("hub.began_anew", hub=self._here())

    async def store_lost(self, found: str | None) -> None:
        """The store's data is gone or not ours. What this hub remembers is saved; everyone comes again.

        `found` is the epoch that the store has. When it is on record as rebuilt, others were here first.
        """
        known = self.epoch
        async with self._one_at_a_time:
            if self.epoch != known:
                # While this call waited, another one has done it all.
                return
            self._admission.closed = Refused(Code.UNAVAILABLE, RECOVERING)
            try:
                if not await self._recovery.is_ready(found):
                    await self._checkpoints.save_tails()
                self._let_everyone_go("store_lost")
                await self.agree()
            finally:
                self._admission.closed = None

    def _let_everyone_go(self, reason: str) -> None:
        self._drop_all(reason)
        self._presence.forget_all()
        self._watchers.forget_all()
        self._follows.forget_all()
