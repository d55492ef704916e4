"""One person with one real connection: what the demo and the acceptance tests play people with.

Knows the public contract alone, and speaks it through python-socketio's own client.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import socketio

Json = dict[str, Any]
Heard = tuple[str, Json]

ANSWER_WITHIN_S: Final = 30.0
HEAR_WITHIN_S: Final = 20.0


class Refused(Exception):
    """The hub said no; `code` and `error` are what it said."""

    def __init__(self, error: Json) -> None:
        super().__init__(f"{error.get('code')}: {error.get('message')}")
        self.error = error
        self.code: str = str(error.get("code"))


class NotHeard(Exception):
    """An event that should have come did not."""


class LineLost(Exception):
    """The line ended before an answer came."""


class Visitor:
    """A person's connection to one hub.

    `heard` is everything that the hub has said, in order, as `(event, body)`. `ended` is set once the line
    is gone, whoever ended it.
    """

    def __init__(self, hub: str, person: Json, *, language: str | None = None) -> None:
        self.hub = hub
        self.id: str = person["id"]
        self.name: str = person.get("name", "")
        self.token: str = person["access_token"]
        self.language = language
        self.heard: list[Heard] = []
        self.ended = asyncio.Event()
        self._news = asyncio.Event()
        self._connector = aiohttp.TCPConnector()
        self._http = aiohttp.ClientSession(connector=self._connector)
        self._client = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=self._http)
        self._client.on("*", self._hear)
        self._client.on("disconnect", self._end)

    async def connect(self) -> "Visitor":
        """Open the line. Raises Refused with the hub's `connect_error`."""
        refused: list[Any] = []
        self._client.on("connect_error", refused.append)
        auth = {"token": self.token, **({"language": self.language} if self.language else {})}
        try:
            await self._client.connect(
                self.hub, auth=auth, transports=["websocket"], wait_timeout=ANSWER_WITHIN_S
            )
        except socketio.exceptions.ConnectionError as error:
            await self.leave()
            told = refused[0] if refused and isinstance(refused[0], dict) else {}
            raise Refused({"message": told.get("message", str(error)), **(told.get("data") or {})}) from None
        return self

    async def answer(self, event: str, *args: object) -> Json:
        """Send an event with just these arguments; the acknowledgement as it came. Raises LineLost."""
        call = asyncio.create_task(self._client.call(event, args, timeout=ANSWER_WITHIN_S))
        ended = asyncio.create_task(self.ended.wait())
        await asyncio.wait((call, ended), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not call.done():
            call.cancel()
            raise LineLost(f"{self.name}'s line ended before {event} was answered")
        answer = call.result()
        if not isinstance(answer, dict):
            raise TypeError(f"{event} was acknowledged with {answer!r}")
        return answer

    async def ask(self, event: str, **body: object) -> Json:
        """Send an event; its acknowledgement. Raises Refused."""
        answer = await self.answer(event, body)
        if not answer["ok"]:
            raise Refused(answer["error"])
        return answer

    async def refusal(self, event: str, **body: object) -> str:
        """Send an event that must be refused; the code."""
        try:
            answer = await self.ask(event, **body)
        except Refused as refused:
            return refused.code
        raise AssertionError(f"{event} was accepted: {answer}")

    async def hear(
        self, event: str, fits: Callable[[Json], object] = lambda body: True, *, since: int = 0
    ) -> Json:
        """The first `event` whose body fits, among what was heard from `since` on, and what will be."""
        at = since
        try:
            async with asyncio.timeout(HEAR_WITHIN_S):
                while True:
                    for at in range(at, len(self.heard)):  # noqa: B020  Go on where we stopped.
                        name, body = self.heard[at]
                        if name == event and fits(body):
                            return body
                    at = len(self.heard)
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            recent = [name for name, _ in self.heard[since:]]
            raise NotHeard(f"{self.name} did not hear {event}; since then: {recent}") from None

    async def state(self, session_id: str, state: str, *, since: int = 0) -> Json:
        """The session, once this person was told that it is in a state."""
        told = await self.hear(
            "session:state",
            lambda body: body["session"]["id"] == session_id and body["session"]["state"] == state,
            since=since,
        )
        session: Json = told["session"]
        return session

    def count(self, event: str, since: int = 0) -> int:
        """How often an event was heard."""
        return sum(name == event for name, _ in self.heard[since:])

    @property
    def mark(self) -> int:
        """Where `heard` ends now, for `since`."""
        return len(self.heard)

    async def get(self, path: str, **query: str) -> Json:
        """An HTTP GET of the hub. Raises Refused."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self._http.get(f"{self.hub}{path}", params=query, headers=headers) as response:
            body: Json = await response.json()
            if response.status != 200:
                raise Refused({**body["error"], "status": response.status})
            return body

    async def post(self, path: str, body: object = None) -> Json:
        """An HTTP POST of the hub, with a JSON body if there is one. Raises Refused."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self._http.post(f"{self.hub}{path}", headers=headers, json=body) as response:
            answer: Json = await response.json()
            if response.status != 200:
                raise Refused({**answer["error"], "status": response.status})
            return answer

    async def get_text(self, path: str, **query: str) -> tuple[int, str, str]:
        """An HTTP GET of the hub: status, content type and body as text."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self._http.get(f"{self.hub}{path}", params=query, headers=headers) as response:
            return response.status, response.content_type, await response.text()

    async def drop(self) -> None:
        """The line breaks: its transport is gone in the middle of things, without a word of goodbye."""
        await self._connector.close()
        await self.ended.wait()

    async def leave(self) -> None:
        """Close the line in good order, if it is still there, and let everything go."""
        if self._client.connected:
            await self._client.disconnect()
        await self._client.shutdown()
        await self._http.close()
        self._end()

    def _hear(self, event: str, *args: Any) -> None:
        self.heard.append((event, args[0] if args else {}))
        self._news.set()

    def _end(self, *_reason: object) -> None:
        self.ended.set()
        self._news.set()
