"""A room in a real store, as hubs see it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import uuid_utils
from redis.asyncio import Redis

from rooms import session
from rooms.ids import ConnectionId, HubId, SessionId, UserId
from rooms.news import News
from rooms.room import Limits, Room, Terms
from store.redis.bus import Bus
from store.redis.chat import Chat, Utterance
from store.redis.rooms import Outgoing, Rooms
from store.redis.turns import Loaded

HUB = HubId("hub-a")
OTHER_HUB = HubId("hub-b")
GUEST = UserId("00000000-0000-7000-8000-000000000001")
HOST = UserId("00000000-0000-7000-8000-000000000002")
GUEST_SOCKET = ConnectionId("guest-socket")
HOST_SOCKET = ConnectionId("host-socket")
TERMS = Terms("per_minute", "usd", 300, 0, 2_000, 50, 30_000)
FUNDED_MS = 600_000
PACE = {"interval_ms": 0, "burst": 1}


def new_id() -> SessionId:
    """A session's id, as the hub makes them."""
    return SessionId(str(uuid_utils.uuid7()))


def told(room: Room, news: Sequence[News], now_ms: int) -> list[Outgoing]:
    """Each fact by its name and the version that it came with."""
    return [Outgoing("room", type(fact).__name__, str(room.version).encode()) for fact in news]


def rooms_of(redis: Redis, hub: HubId = HUB) -> Rooms:
    """The rooms as one hub has them."""
    return Rooms(redis, hub=lambda: hub, tell=told)


async def requested(rooms: Rooms, limits: Limits | None = None) -> Room:
    """A paid request whose hold is pending."""
    asked = session.request(
        new_id(),
        practitioner=(HOST, "Host"),
        guest=(GUEST, "Guest"),
        terms=TERMS,
        limits=limits or Limits(),
        now_ms=await rooms.now_ms(),
    )
    return await rooms.create(asked)


async def waiting(rooms: Rooms, limits: Limits | None = None) -> Room:
    """An accepted session with nobody in its room yet."""
    room = await requested(rooms, limits)
    funded = partial(session.fund, guest_id=GUEST, ordinal=1, funded_ms=FUNDED_MS)
    await rooms.change(room.id, funded)
    return (await rooms.change(room.id, partial(session.accept, who=HOST))).room


async def live(rooms: Rooms, limits: Limits | None = None) -> Room:
    """Both are in the room, over sockets of this hub."""
    room = await waiting(rooms, limits)
    await enter(rooms, room.id, HOST, HOST_SOCKET)
    return (await enter(rooms, room.id, GUEST, GUEST_SOCKET)).room


async def enter(
    rooms: Rooms, session_id: SessionId, who: UserId, socket: ConnectionId, hub: HubId = HUB
) -> Loaded:
    """A socket enters."""
    return await rooms.change(session_id, partial(session.join, who=who, connection=socket, hub=hub))


async def ended(rooms: Rooms) -> Room:
    """The guest ended a live session."""
    room = await live(rooms)
    return (await rooms.change(room.id, partial(session.end, who=GUEST, proofs={}))).room


def words(room: Room, client_id: str, *, sender: UserId = GUEST, no: int = 1) -> Utterance:
    """A message on its way in; it is sealed by being itself."""
    message_id = str(uuid_utils.uuid7())
    sealed = f"sealed {client_id}".encode()
    return Utterance(room.id, sender, no, client_id, message_id, sealed, b'"text":"hello"')


def chat_of(redis: Redis) -> Chat:
    """Chat without a pace."""
    return Chat(redis, interval_ms=0, burst=1)


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that the server is about to tell us."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110  What is waited for lies in another process.
            await asyncio.sleep(0.005)


@asynccontextmanager
async def hearing(redis: Redis, channel: str) -> AsyncIterator[list[bytes]]:
    """Whatever is published on a channel from now on."""
    heard: list[bytes] = []
    bus = Bus(redis, on_restored=lambda: None)
    running = asyncio.create_task(bus.run())
    try:
        await bus.subscribe(channel, heard.append)
        yield heard
    finally:
        running.cancel()
        await asyncio.wait([running])
