"""A person's client as a good one behaves: it comes back, on another hub if need be, and repeats what was not
answered. Everything that it heard and every answer that it got is kept, to be held against the record.
"""

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import aiohttp
import socketio
from socketio.exceptions import SocketIOError

PATIENCE_S = 60.0
"""After so long a test gives up; nothing is expected to take a certain time."""
ANSWER_S = 4.0
DIAL_S = 3.0
PAUSE_S = 0.1

PASSING = frozenset({"unavailable", "rate_limited", "draining"})
"""Answers after which the same request is worth repeating at once."""

Body = dict[str, Any]


class Acked(NamedTuple):
    """What the hub promised of one message."""

    client_id: str
    id: str
    seq: int
    text: str


class RefusedEvent(Exception):
    """The hub's answer was no, and repeating it would not help."""

    def __init__(self, error: Body) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code: str = error["code"]


class Caller:
    """One person. `hubs()` lists the hubs that may be tried, `home` is the one that is tried first."""

    def __init__(self, person: Body, hubs: Callable[[], Sequence[str]], *, home: str) -> None:
        self.id: str = person["id"]
        self.home = home
        self.at: str | None = None
        self.heard: dict[int, Body] = {}
        self.acked: list[Acked] = []
        self.events: dict[str, list[Body]] = {}
        self.refusals: list[str] = []
        self.resting = False
        """While true the person does not come back by themselves."""
        self._token: str = person["access_token"]
        self._hubs = hubs
        self._http: aiohttp.ClientSession | None = None
        self._sio: Any = None
        self._room: str | None = None
        self._inside = False
        self._entering = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None
        self._numbers = itertools.count(1)

    # Coming and going.

    @property
    def connected(self) -> bool:
        return self._sio is not None and bool(self._sio.connected)

    def keep(self) -> None:
        """Come back by itself whenever the line is down."""
        self._keeper = asyncio.create_task(self._keep())

    async def stay_in(self, session_id: str) -> None:
        """Enter the room, and enter it again after each reconnect."""
        self._room = session_id
        await self._present()

    async def go(self) -> None:
        """Close the line for good."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        await self.hang_up()
        if self._http is not None:
            await self._http.close()

    async def hang_up(self) -> None:
        """Let the line go. Whoever is kept comes back."""
        async with self._entering:
            await self._hang_up()

    async def _keep(self) -> None:
        while True:
            with contextlib.suppress(RefusedEvent, TimeoutError, SocketIOError):
                if not self.resting:
                    await self._present()
            await asyncio.sleep(PAUSE_S)

    async def _present(self) -> None:
        """Connected, and in the room if there is one to be in."""
        async with self._entering:
            if not self.connected:
                self._inside = False
                await self._dial()
            if self._room is not None and not self._inside:
                await self._enter(self._room)

    async def _dial(self) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                for hub in sorted(self._hubs(), key=lambda url: url != self.home):
                    if await self._try(hub):
                        return
                await asyncio.sleep(PAUSE_S)

    async def _try(self, hub: str) -> bool:
        await self._hang_up()
        if self._http is None:
            self._http = aiohttp.ClientSession()
        sio = socketio.AsyncClient(reconnection=False, http_session=self._http)
        sio.on("*", self._hear)
        self._sio = sio
        try:
            async with asyncio.timeout(DIAL_S):
                await sio.connect(hub, transports=["websocket"], auth={"token": self._token})
        except (SocketIOError, OSError, aiohttp.ClientError, TimeoutError):
            await self._hang_up()
            return False
        self.at = hub
        return True

    async def _hang_up(self) -> None:
        sio, self._sio, self.at = self._sio, None, None
        if sio is None:
            return
        with contextlib.suppress(Exception):
            async with asyncio.timeout(1.0):
                await sio.disconnect()
        for task in (sio.eio.read_loop_task, sio.eio.write_loop_task):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait([task])

    async def _enter(self, session_id: str) -> None:
        answer = await self._call("room:join", {"session_id": session_id, "after_seq": self.complete_to})
        if answer is None:
            return
        if not answer["ok"]:
            self.refusals.append(f"room:join {answer['error']['code']}")
            if answer["error"]["code"] == "not_live":
                raise RefusedEvent(answer["error"])
            return
        self._inside = True
        for message in answer["messages"]:
            self._take(message)

    # Speaking and hearing.

    @property
    def complete_to(self) -> int:
        """The highest `seq` up to which nothing is missing."""
        return next(seq - 1 for seq in itertools.count(1) if seq not in self.heard)

    async def has_heard(self, head: int) -> None:
        """Wait until everything up to a `seq` was heard."""
        await until(lambda: self.complete_to >= head, f"{self.id} heard everything up to {head}")

    async def ask(self, event: str, body: Body, *, inside: bool = False) -> Body:
        """Ask until it is answered, over as many lines as it takes. Raises RefusedEvent for a final no."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                await self._present()
                answer = await self._call(event, body)
                if answer is None:
                    continue
                if answer["ok"]:
                    return answer
                self._weigh(event, answer["error"], inside=inside)
                await asyncio.sleep(PAUSE_S)

    async def say(self, text: str) -> Acked:
        """Say something in the room until the hub has acknowledged it; always under one client_id."""
        client_id = f"{self.id[-6:]}-{next(self._numbers)}"
        body = {"session_id": self._room, "client_id": client_id, "text": text}
        answer = await self.ask("chat:send", body, inside=True)
        acked = Acked(client_id, answer["id"], answer["seq"], text)
        self.acked.append(acked)
        return acked

    async def shout(self, body: Body) -> None:
        """Say something without waiting for any answer."""
        await self._sio.emit("chat:send", body)

    async def refused(self, event: str, body: Body) -> str:
        """The code of the final no."""
        try:
            answer = await self.ask(event, body)
        except RefusedEvent as refused:
            return refused.code
        raise AssertionError(f"{event} was not refused: {answer}")

    def _weigh(self, event: str, error: Body, *, inside: bool) -> None:
        code = error["code"]
        self.refusals.append(f"{event} {code}")
        if inside and code in {"forbidden", "not_found"}:
            # The hub does not know this socket in the room: enter anew. A room that is being rebuilt is
            # not found for a moment.
            self._inside = False
        elif code not in PASSING:
            raise RefusedEvent(error)

    async def _call(self, event: str, body: Body) -> Body | None:
        """The answer, or None when the line was lost over it."""
        sio = self._sio
        try:
            answer: Body = await sio.call(event, body, timeout=ANSWER_S)
        except (SocketIOError, OSError, aiohttp.ClientError):
            if sio is self._sio and sio is not None and not sio.connected:
                self._inside = False
            await asyncio.sleep(PAUSE_S)
            return None
        return answer

    async def _hear(self, event: str, body: Body) -> None:
        self.events.setdefault(event, []).append(body)
        if event == "chat:message":
            self._take(body)

    def _take(self, message: Body) -> None:
        known = self.heard.get(message["seq"])
        if known is not None and not known.get("lost") and not message.get("lost"):
            assert known["id"] == message["id"], f"two messages have the place {message['seq']}"
        if known is None or known.get("lost"):
            self.heard[message["seq"]] = message


async def until(true: Callable[[], bool], what: str) -> None:
    """Wait for something to become true."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not true():  # noqa: ASYNC110  What is waited for lies in other processes.
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"never came true: {what}") from None
