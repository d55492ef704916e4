"""A live session on record and in the store, both of whose people agree, and workers that may be killed."""

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import uuid_utils
from redis.asyncio import Redis

from hub.live import Live
from hub.tell import tell
from hub.vendors.agora_recording import CloudRecording, Storage
from hub.workers.media_news import media_news
from hub.workers.recordings import LEASE_MS, Recordings
from rooms import media, session
from rooms.ids import ConnectionId, HubId, SessionId, UserId
from rooms.media import AgoraApp
from rooms.room import Limits, Room, State, Terms
from store.postgres import consents, recordings, sessions
from store.postgres.recordings import Row
from store.records import InboxEvent
from store.redis.directory import Directory
from store.redis.people import People
from store.redis.rooms import Rooms
from tests.integration.vendors.counter import APP_ID, ROOT, Counter, agora_of

APP = AgoraApp(APP_ID, "fedcba9876543210fedcba9876543210")
FREE = Terms("free", "usd", 0, 0, 0, 0, 0)
HUB = HubId("stage")


async def _unheard(_hub: HubId) -> Mapping[ConnectionId, int]:
    return {}


def live_of(redis: Redis) -> Live:
    rooms = Rooms(redis, hub=lambda: HUB, tell=tell)
    return Live(
        rooms,
        People(redis),
        Directory(redis),
        heard_here=lambda _room: {},
        heard_elsewhere=_unheard,
        here=lambda: HUB,
    )


def duty_of(
    pool: asyncpg.Pool,
    redis: Redis,
    http: aiohttp.ClientSession,
    base: str,
    now_ms: Callable[[], int],
    **more: Any,
) -> Recordings:
    recorder = CloudRecording(
        http,
        base=f"{base}/agora",
        app_id=APP_ID,
        customer_id="id",
        customer_secret="secret",
        storage=Storage(1, 5, "bucket", "access", "secret"),
    )
    return Recordings(pool, live_of(redis), recorder, agora_of(http, base), APP, now_ms=now_ms, **more)


@dataclass
class Stage:
    """One session of two."""

    counter: Counter
    session_id: SessionId
    host: UserId
    guest: UserId

    def duty(self, reached: Callable[[str], Awaitable[None]] | None = None) -> Recordings:
        c = self.counter
        more = {} if reached is None else {"reached": reached}
        return duty_of(c.pool, c.redis, c.http, c.base, c.now_ms, **more)

    @property
    def channel(self) -> str:
        return media.channel(self.session_id)

    async def consent(self, who: UserId, *, granted: bool) -> None:
        """As the route does."""
        async with self.counter.pool.acquire() as connection, connection.transaction():
            await consents.lock_consents(connection, who)
            await consents.note_consent(
                connection, who, "recording", granted=granted, now_ms=self.counter.now_ms()
            )
            if not granted:
                await recordings.withdraw(connection, who, now_ms=self.counter.now_ms())

    async def want(self) -> Row | None:
        async with self.counter.pool.acquire() as connection, connection.transaction():
            ids = [await recordings.consent_to_recording(connection, who) for who in (self.host, self.guest)]
            assert ids[0] is not None
            assert ids[1] is not None
            return await recordings.want(
                connection,
                str(uuid_utils.uuid7()),
                session_id=self.session_id,
                practitioner_id=self.host,
                guest_id=self.guest,
                consents=(ids[0], ids[1]),
                channel=self.channel,
                lasts_s=3_600,
                now_ms=self.counter.now_ms(),
            )

    async def row(self) -> Row:
        found = await recordings.latest(self.counter.pool, self.session_id)
        assert found is not None
        return found

    async def room(self) -> Room:
        return (await live_of(self.counter.redis).rooms.require(self.session_id)).room

    async def at_agora(self) -> list[dict[str, Any]]:
        url = f"{self.counter.base}/control/agora/recordings"
        async with self.counter.http.get(url, params={"cname": self.channel}) as response:
            found: list[dict[str, Any]] = await response.json()
            return found

    async def running(self) -> int:
        return sum(one["state"] == "recording" for one in await self.at_agora())

    async def hear(self, what: str, *, sid: str, uid: int, at_ms: int, files: Any = None) -> None:
        """A notice of the recorder's, as the inbox has it."""
        told = {"type": "recorded", "channel": self.channel, "uid": uid, "sid": sid, "what": what}
        event = InboxEvent(
            "e", "agora", "agora.recorded", None, told | {"at_ms": at_ms, "files": files}, 0, 1
        )
        await media_news(self.counter.pool, now_ms=self.counter.now_ms)["agora.recorded"](event)

    async def killed(self, point: str) -> None:
        """A worker begins, and is killed at a recovery point."""
        counter = self.counter
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.integration.recording.runner", counter.database.hub_dsn,
            counter.redis_url, counter.base, point, str(counter.time_ms),
            stdout=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        assert process.stdout is not None
        line = b""
        async with asyncio.timeout(30):
            async for line in process.stdout:
                if line == f"{point}\n".encode():
                    break
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert line == f"{point}\n".encode()

    async def work(self, *, times: int = 12, step_ms: int = 3_000) -> None:
        """The dead worker's lease runs out; the next one works for a while."""
        self.counter.wait(LEASE_MS + 1)
        for _ in range(times):
            await self.duty().run_once()
            self.counter.wait(step_ms)


async def set_stage(counter: Counter) -> Stage:
    """Two people who agree, in a live session without a price."""
    host, guest = [UserId((await counter.person(role))["id"]) for role in ("practitioner", "guest")]
    session_id, now_ms = SessionId(str(uuid4())), time.time_ns() // 1_000_000
    room = session.request(
        session_id, practitioner=(host, "H"), guest=(guest, "G"), terms=FREE, limits=Limits(), now_ms=now_ms
    ).room
    room = session.accept(room, host, now_ms=now_ms).room
    for who in (host, guest):
        room = session.join(room, who, connection=ConnectionId(who), hub=HUB, now_ms=now_ms).room
    assert room.state is State.LIVE
    change = session.rename(room, host, "Host", now_ms=now_ms)
    await live_of(counter.redis).rooms.create(change)
    await sessions.save_session(counter.pool, change.room)
    stage = Stage(counter, session_id, host, guest)
    for who in (host, guest):
        await stage.consent(who, granted=True)
    return stage
