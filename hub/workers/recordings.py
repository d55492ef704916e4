"""Looks after recordings: begins what is wanted, ends what may not go on, and says in the room how it stands.

A row names the resource before anything is recorded with it, so whoever finds one that a dead worker left
starts the same resource again, which records once at most. If that went through before and its `sid` is not
known, the vendor's notice tells it; without the notice the recorder is put out of the channel, by its uid,
which it shares with nobody. So nothing records that nobody here can stop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import asyncpg
import msgspec
import structlog

from hub.live import Live
from hub.vendors.agora import AgoraRest
from hub.vendors.agora_recording import AlreadyStarted, CloudRecording, File, ResourceExpired
from hub.vendors.asking import VendorRefused, VendorUnavailable
from rooms import media, recording
from rooms.errors import NotFound
from rooms.media import AgoraApp
from rooms.room import OVER, Room
from store.postgres import recordings
from store.postgres.disclosures import Disclosure, insert_disclosures
from store.postgres.recordings import Over, Row

AT_ONCE: Final = 64
LEASE_MS: Final = 45_000
"""Longer than all calls of one look together can take."""
CHECK_MS: Final = 2_000
"""How often it is looked whether a recording may go on: the session is open, and both agree."""
LOOK_MS: Final = 30_000
"""How often the vendor is asked whether it still records."""
MISSED_MS: Final = 10_000
MISSED_MAX: Final = 9
"""The vendor may move a recording to another machine, and does not find it meanwhile, for 90 seconds."""
GIVE_UP_MS: Final = 60_000
"""A recording that has not begun by then is not begun any more."""
NOTICE_MS: Final = 20_000
"""How long we wait for the vendor's notice of a start whose answer was lost."""
FIRST_PAUSE_MS: Final = 1_000
LONGEST_PAUSE_MS: Final = 15_000
ROOM_BACK_MS: Final = 120_000
"""A store that was lost is rebuilt by then."""
KICKED_MINUTES: Final = 1_440
"""Longer than a resource can be started, and than a session lasts."""

Reached = Callable[[str], Awaitable[None]]

log = structlog.get_logger()


async def _go_on(_point: str) -> None:
    """Nothing waits at a recovery point."""


class Recordings:
    """The duty. `app` makes the recorder's token; `agora` puts recorders out whom we can't name otherwise."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        live: Live,
        recorder: CloudRecording,
        agora: AgoraRest,
        app: AgoraApp,
        *,
        now_ms: Callable[[], int],
        reached: Reached = _go_on,
    ) -> None:
        self._pool = pool
        self._live = live
        self._recorder = recorder
        self._agora = agora
        self._app = app
        self._now_ms = now_ms
        self._reached = reached

    async def run_once(self) -> int:
        """Look after what is due; how many recordings that were."""
        due = await recordings.due(self._pool, now_ms=self._now_ms(), limit=AT_ONCE, lease_ms=LEASE_MS)
        found = await asyncio.gather(*map(self._look_after, due), return_exceptions=True)
        for error in found:
            if isinstance(error, BaseException):
                raise error
        return len(due)

    async def _look_after(self, row: Row) -> None:
        loaded = await self._live.rooms.load(row.session_id)
        room = None if loaded is None else loaded.room
        try:
            await self._step(row, room)
        except (VendorUnavailable, VendorRefused) as error:
            log.warning("recording.not_yet", recording=row.id, error=str(error), attempts=row.attempts)
            pause_ms = min(FIRST_PAUSE_MS << min(row.attempts - 1, 10), LONGEST_PAUSE_MS)
            await recordings.again(self._pool, row.id, next_at_ms=self._now_ms() + pause_ms)
        after = await recordings.latest(self._pool, row.session_id)
        if after is not None and after.id == row.id:
            await self._show(after, room)

    async def _step(self, row: Row, room: Room | None) -> None:
        why = _why_not(row, room)
        match row.state:
            case "requested" | "acquired" if why is not None:
                await self._call_off(row, why)
            case "requested":
                await self._acquire(row)
            case "acquired":
                await self._start(row, row.resource_id or "")
            case "recording" if why is not None:
                await self._stop(row, row.resource_id or "", row.sid or "", why)
            case "recording":
                await self._check(row, row.resource_id or "", row.sid or "")
            case _:
                pass

    # It begins.

    async def _acquire(self, row: Row) -> None:
        if self._now_ms() - row.requested_at_ms > GIVE_UP_MS:
            await self._over(row, "failed", "failed", "not_acquired")
            return
        try:
            resource_id = await self._recorder.acquire(row.channel, row.uid)
        except VendorRefused as error:
            await self._over(row, "failed", "failed", f"refused_{error.code or error.status}")
            return
        await self._reached("acquired")
        if await recordings.acquired(self._pool, row.id, resource_id, now_ms=self._now_ms()):
            await self._reached("noted")
            await self._start(row, resource_id)

    async def _start(self, row: Row, resource_id: str) -> None:
        if row.sid is not None:
            await self._started(row, resource_id, row.sid)
            return
        now_ms = self._now_ms()
        since_ms = now_ms - (row.acquired_at_ms or now_ms)
        if since_ms > GIVE_UP_MS:
            await self._give_up(row, "not_started")
            return
        token = media.recorder(self._app, row.session_id, row.uid, lasts_s=row.lasts_s, now_ms=now_ms)
        folder = row.id.replace("-", "")
        told = [Disclosure(who, "agora", "recording", now_ms) for who in (row.practitioner_id, row.guest_id)]
        await insert_disclosures(self._pool, told)
        try:
            sid = await self._recorder.start(resource_id, row.channel, row.uid, token=token, folder=folder)
        except AlreadyStarted:
            if since_ms > NOTICE_MS:
                await self._give_up(row, "start_unknown")
            else:
                await recordings.again(self._pool, row.id, next_at_ms=now_ms + FIRST_PAUSE_MS)
            return
        except ResourceExpired:
            await self._give_up(row, "resource_expired")
            return
        except VendorRefused as error:
            await self._give_up(row, f"refused_{error.code or error.status}")
            return
        await self._reached("started")
        await self._started(row, resource_id, sid)

    async def _started(self, row: Row, resource_id: str, sid: str) -> None:
        now_ms = self._now_ms()
        if await recordings.started(self._pool, row.id, sid, now_ms=now_ms, next_at_ms=now_ms + CHECK_MS):
            await self._reached("recording")
            return
        # It was called off while it began: what runs now has no row that would ever end it.
        if not await self._recorder.stop(resource_id, sid, row.channel, row.uid):
            await self._put_out(row)

    # It goes on.

    async def _check(self, row: Row, resource_id: str, sid: str) -> None:
        now_ms = self._now_ms()
        if now_ms - row.looked_at_ms < (MISSED_MS if row.missed else LOOK_MS):
            await recordings.again(self._pool, row.id, next_at_ms=now_ms + CHECK_MS)
            return
        files = await self._recorder.query(resource_id, sid)
        if files is None and row.missed >= MISSED_MAX:
            await self._give_up(row, "lost")
            return
        await recordings.looked(
            self._pool,
            row.id,
            files=_kept(files),
            missed=files is None,
            now_ms=now_ms,
            next_at_ms=now_ms + CHECK_MS,
        )

    # It ends.

    async def _call_off(self, row: Row, why: str) -> None:
        """It is not known to run. If a start of it was ever sent, its recorder is kept out."""
        if row.state == "acquired" and row.sid is not None and row.resource_id is not None:
            await self._stop(row, row.resource_id, row.sid, why)
            return
        if row.state == "acquired":
            await self._put_out(row)
        await self._over(row, "stopped", why)

    async def _stop(self, row: Row, resource_id: str, sid: str, why: str) -> None:
        if not await self._recorder.stop(resource_id, sid, row.channel, row.uid):
            # Over already, or just not found: either way its recorder may not be in the channel any more.
            await self._put_out(row)
        await self._reached("stopped")
        await self._over(row, "stopped", why)

    async def _give_up(self, row: Row, failure: str) -> None:
        await self._put_out(row)
        await self._over(row, "failed", "failed", failure)

    async def _put_out(self, row: Row) -> None:
        if await self._agora.rule(row.channel, row.uid) is None:
            await self._agora.kick(row.channel, row.uid, minutes=KICKED_MINUTES)

    async def _over(self, row: Row, state: Over, why: str, failure: str | None = None) -> None:
        if failure is not None:
            log.error("recording.failed", recording=row.id, session=row.session_id, failure=failure)
        await recordings.over(self._pool, row.id, state, reason=why, failure=failure, now_ms=self._now_ms())
        await self._reached("over")

    async def _show(self, row: Row, room: Room | None) -> None:
        if room is not None and room.state not in OVER and room.recording != row.told:
            try:
                await self._live.change(row.session_id, partial(recording.show, told=row.told))
            except NotFound:
                log.info("recording.room_gone", recording=row.id)
        if row.shown:
            return
        now_ms = self._now_ms()
        if room is None and row.stopped_at_ms is not None and now_ms - row.stopped_at_ms < ROOM_BACK_MS:
            # The room may be away with its store, and come back as it was.
            await recordings.again(self._pool, row.id, next_at_ms=now_ms + LONGEST_PAUSE_MS)
        else:
            await recordings.mark_shown(self._pool, row.id, row.state)


def _why_not(row: Row, room: Room | None) -> str | None:
    """Why a recording may not go on, if so."""
    if row.stop_reason is not None:
        return row.stop_reason
    if not row.agreed:
        return "consent_withdrawn"
    return "session_over" if room is None or room.state in OVER else None


def _kept(files: list[File] | None) -> list[dict[str, object]] | None:
    """As a row keeps them; None leaves what it has."""
    return [msgspec.structs.asdict(one) for one in files] if files else None
