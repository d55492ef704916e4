"""What is left lying: hubs that died, deadlines that nobody kept, standings that nobody corrected.

Every hub and every worker sweeps. Two that find the same thing do the same, and the second has no effect.
"""

import time
from collections.abc import Callable
from functools import partial

import structlog

from hub.live import Live
from hub.workers.settle import Settle
from rooms import departure
from rooms.departure import Proofs
from rooms.errors import NotFound
from rooms.ids import HubId, SessionId
from rooms.news import Change
from rooms.room import OVER, Room
from store.redis.directory import Directory
from store.redis.hubs import Hubs
from store.redis.people import People
from store.redis.settlements import Entry

log = structlog.get_logger()


class LostHubs:
    """Finds hubs that are silent and closes what they held.

    A hub counts as silent only while we look: `dead_after_s` of our own time in which the store answered us
    and its heartbeat did not move. An outage of the store kills nobody.
    """

    def __init__(
        self,
        hubs: Hubs,
        live: Live,
        people: People,
        directory: Directory,
        *,
        dead_after_s: float,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hubs = hubs
        self._live = live
        self._people = people
        self._directory = directory
        self._dead_after_s = dead_after_s
        self._monotonic_s = monotonic_s
        self._seen: dict[HubId, tuple[int, float]] = {}

    async def run_once(self) -> int:
        """Look at every hub. Gives how many were found lost and closed."""
        try:
            beats = await self._hubs.last_beats()
        except BaseException:
            self._seen.clear()
            raise
        now_s = self._monotonic_s()
        self._seen = {
            hub: self._seen[hub] if hub in self._seen and self._seen[hub][0] == at_ms else (at_ms, now_s)
            for hub, at_ms in beats.items()
        }
        lost = [hub for hub, (_, since_s) in self._seen.items() if now_s - since_s >= self._dead_after_s]
        for hub in lost:
            await self._close(hub, beats[hub])
        return len(lost)

    async def _close(self, hub: HubId, last_beat_ms: int) -> None:
        log.error("hub.lost", hub=hub, last_beat_ms=last_beat_ms)
        await self._hubs.fence(hub)
        proofs = await self._hubs.proofs(hub)
        for session_id in await self._hubs.rooms_of(hub):
            try:
                await self._live.change(session_id, partial(_lose, hub=hub, proofs=proofs))
            except NotFound:
                continue
        for user_id in await self._hubs.people_of(hub):
            await self._directory.show(await self._people.lose_hub(user_id, hub))
        await self._hubs.retire(hub)


class Deadlines:
    """Applies deadlines that no hub with people in the room has kept."""

    def __init__(self, live: Live) -> None:
        self._live = live

    async def run_once(self) -> int:
        """Gives how many rooms changed."""
        due = await self._live.rooms.due(await self._live.rooms.now_ms())
        changed = 0
        for session_id in due:
            changed += await self._keep(session_id)
        return changed

    async def _keep(self, session_id: SessionId) -> bool:
        if await self._live.rooms.load(session_id) is None:
            await self._live.rooms.forget_due(session_id)
            return False
        return await self._live.tick(session_id)


class Standings:
    """Corrects practitioners that are shown as online or busy and are not."""

    def __init__(self, hubs: Hubs, live: Live, people: People, directory: Directory) -> None:
        self._hubs = hubs
        self._live = live
        self._people = people
        self._directory = directory

    async def run_once(self) -> int:
        """Gives how many practitioners were looked at."""
        alive = set(await self._hubs.last_beats())
        shown = await self._directory.not_offline()
        for user_id in shown:
            standing = await self._live.corrected(await self._people.standing(user_id))
            for hub in await self._people.online_hubs(user_id) - alive:
                standing = await self._people.lose_hub(user_id, hub)
            await self._directory.show(standing)
        return len(shown)


def _lose(room: Room, *, hub: HubId, proofs: Proofs, now_ms: int) -> Change:
    """Every socket of the hub is gone, each as of its proof; one that was never heard of, as of its entry."""
    theirs = {
        anchor.connection: proofs.get(anchor.connection, anchor.since_ms)
        for person in room.people
        for anchor in person.anchors
        if anchor.hub == hub
    }
    return departure.drop(room, theirs, reason="hub_lost", now_ms=now_ms)


class Unrecorded:
    """Puts on record what is over and has no entry in the queue any more."""

    def __init__(self, live: Live, settle: Settle, *, older_than_s: int = 120) -> None:
        self._live = live
        self._settle = settle
        self._older_than_s = older_than_s

    async def run_once(self) -> int:
        """Gives how many parts were put on record."""
        before_s = await self._live.rooms.now_ms() // 1000 - self._older_than_s
        recorded = 0
        for session_id in await self._live.rooms.unrecorded(before_s):
            loaded = await self._live.rooms.load(session_id)
            if loaded is None or loaded.room.state not in OVER:
                continue
            room = loaded.room
            # Of a live room its host too: that is what its transcript is kept by.
            people = room.people if room.kind == "live_room" else room.guests
            for person in people:
                recorded += await self._settle.settle(Entry(session_id, person.user_id, ""))
        return recorded
