"""Every connection of this hub: letting in, finding, telling, letting go."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Protocol

import msgspec
import structlog
import uuid_utils
from aiohttp import web

from hub.edge.auth import Principal
from hub.edge.connection import Connection
from hub.edge.engineio_socket import HouseSocket
from hub.edge.expiry import Expiry
from hub.edge.fanout import deliver, frame
from hub.edge.inbox import Answers, Inbox
from hub.edge.language import spoken
from hub.edge.limits import Numbers
from hub.edge.socketio_house import HouseServer
from hub.edge.upgrade import Door
from hub.errors import Code, Refused, log_unexpected
from rooms.ids import ConnectionId, UserId

log = structlog.get_logger()

PATH = "/socket.io/"
EXPIRY_TICK_S = 1.0


class Verifier(Protocol):
    """What turns a token into a principal: `Tokens`."""

    async def verify(self, token: object) -> Principal:
        """Raises `Refused`."""


class Sockets:
    """Owns the Socket.IO server and every connection.

    `opened` is called, synchronously, once a connection is accepted and the client knows it. `gone` is called
    exactly once for each opened connection, with a word why, however it ended; by then `closed` is true.
    `admit`, if given, may refuse a principal or replace it (say, by the role that the hub itself knows).
    `now_ms` is the wall clock that tokens expire by; `monotonic` (seconds) measures everything else.
    """

    def __init__(
        self,
        *,
        tokens: Verifier,
        dispatch: Answers,
        opened: Callable[[Connection], None],
        gone: Callable[[Connection, str], None],
        now_ms: Callable[[], int],
        monotonic: Callable[[], float],
        origins: Iterable[str] = (),
        proxies: Iterable[str] = (),
        numbers: Numbers | None = None,
        admit: Callable[[Principal], Awaitable[Principal]] | None = None,
    ) -> None:
        self._tokens = tokens
        self._dispatch = dispatch
        self._opened = opened
        self._gone = gone
        self._admit = admit
        # Made once: a closure for each connection would be memory for nothing.
        self._clock_ms: Callable[[], float] = lambda: monotonic() * 1000
        self._numbers = numbers or Numbers()
        self._door = Door(origins=origins, proxies=proxies, numbers=self._numbers, monotonic=monotonic)
        self._expiry = Expiry(
            now_ms=now_ms,
            notice_ms=self._numbers.expiring_notice_s * 1000,
            expiring=_warn_of_expiry,
            expired=lambda connection: connection.drop("token expired"),
        )
        self._server = HouseServer(self, self._numbers, monotonic)
        self._connections: dict[ConnectionId, Connection] = {}
        self._by_user: dict[UserId, dict[ConnectionId, Connection]] = {}
        self._inboxes: dict[str, Inbox] = {}
        self._draining = False
        self._emptied: asyncio.Event | None = None

    # --- finding ---------------------------------------------------------------------------------

    @property
    def connections(self) -> Mapping[ConnectionId, Connection]:
        """Every open connection."""
        return self._connections

    def of(self, user_id: UserId) -> Collection[Connection]:
        """A person's open connections on this hub."""
        return self._by_user.get(user_id, {}).values()

    @property
    def draining(self) -> bool:
        """Whether newcomers are sent elsewhere."""
        return self._draining

    # --- the application -------------------------------------------------------------------------

    def attach(self, app: web.Application) -> None:
        """Serve `/socket.io/` and end with the application."""
        app.router.add_route("*", PATH, self._request)
        app.cleanup_ctx.append(self._ticking)
        app.on_shutdown.append(self._shut_down)

    async def _request(self, request: web.Request) -> web.StreamResponse:
        if request.method != "GET":
            raise web.HTTPMethodNotAllowed(request.method, ["GET"])
        self._door.check(request)
        total = len(self._server.eio.sockets)
        waiting = total - len(self._connections)
        if total >= self._numbers.sockets_max or waiting >= self._numbers.unauthenticated_max:
            raise web.HTTPServiceUnavailable(text="This hub is full.", headers={"Retry-After": "5"})
        response: web.StreamResponse = await self._server.handle_request(request)
        return response

    async def _ticking(self, _app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self._tick_forever(), name="expiry")
        yield
        task.cancel()
        await asyncio.wait([task])

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(EXPIRY_TICK_S)
            try:
                self.tick()
            except Exception as error:  # noqa: BLE001  One connection's trouble must not end the watch.
                log_unexpected(error, where="expiry")

    def tick(self) -> None:
        """Warn of and close on tokens that expire; runs once a second by itself."""
        self._expiry.tick()

    async def _shut_down(self, _app: web.Application) -> None:
        self._draining = True
        self.drop_all("server_shutdown")

    # --- leaving ---------------------------------------------------------------------------------

    async def drain(self, *, reconnect_within_ms: int) -> None:
        """Refuse newcomers, tell everybody to come back elsewhere, and later close whoever is still there."""
        self._draining = True
        body = msgspec.json.encode({"reconnect_within_ms": reconnect_within_ms})
        deliver(frame("hub:draining", body), self._connections.values())
        if self._connections:
            self._emptied = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), reconnect_within_ms / 1000)
        self.drop_all("draining")

    def drop_all(self, reason: str) -> None:
        """Close every socket now, also those without a token. Unless drained, the server accepts on."""
        for line in list(self._server.eio.sockets.values()):
            line.end(reason)

    # --- what the Socket.IO server asks ----------------------------------------------------------

    async def admit(self, line: HouseSocket, token: object) -> Callable[[], None]:
        """Check a newcomer; the call that is returned makes it a connection. Raises `Refused`."""
        self._refuse_while_draining()
        if line.over_limit_ms:
            raise Refused(Code.RATE_LIMITED, "Too many connections.", retry_after_ms=line.over_limit_ms)
        principal = await self._tokens.verify(token)
        if self._admit is not None:
            principal = await self._admit(principal)
        self._refuse_while_draining()
        if len(self.of(principal.user_id)) >= self._numbers.sockets_per_user:
            raise Refused(Code.RATE_LIMITED, "Too many connections of one person.")
        # Nothing waits between this count and the call below, so the count still holds then.
        return partial(self._open, line, principal)

    def event(self, line: HouseSocket, text: str) -> None:
        """An event of an open connection."""
        inbox = self._inboxes.get(line.sid)
        if inbox is not None:
            inbox.receive(text)

    def ended(self, line: HouseSocket, reason: str) -> None:
        """A socket is closed; if it was a connection, everybody hears of it now."""
        inbox = self._inboxes.pop(line.sid, None)
        if inbox is None:
            log.info("socket.unopened", reason=reason)
            return
        inbox.close()
        connection = inbox.connection
        connection.closed = True
        self._expiry.forget(connection)
        del self._connections[connection.id]
        theirs = self._by_user[connection.user_id]
        del theirs[connection.id]
        if not theirs:
            del self._by_user[connection.user_id]
        if not self._connections and self._emptied is not None:
            self._emptied.set()
        log.info("socket.gone", connection=connection.id, reason=reason)
        try:
            self._gone(connection, reason)
        except Exception as error:  # noqa: BLE001  One listener's trouble must not keep other sockets open.
            log_unexpected(error, where="gone")

    def _open(self, line: HouseSocket, principal: Principal) -> None:
        connection = Connection(
            ConnectionId(str(uuid_utils.uuid7())),
            principal,
            address=line.address,
            line=line,
            refreshed=self._expiry.watch,
            spoken=spoken(line.language, line.request.headers.get("Accept-Language", "")),
        )
        self._connections[connection.id] = connection
        self._by_user.setdefault(connection.user_id, {})[connection.id] = connection
        self._inboxes[line.sid] = Inbox(connection, self._dispatch, self._numbers, self._clock_ms)
        self._expiry.watch(connection)
        log.info("socket.opened", connection=connection.id)
        self._opened(connection)

    def _refuse_while_draining(self) -> None:
        if self._draining:
            raise Refused(Code.DRAINING, "This hub is going away; connect again.")


def _warn_of_expiry(connection: Connection) -> None:
    body = msgspec.json.encode({"expires_at_ms": connection.principal.expires_at_ms})
    connection.send(frame("auth:expiring", body))
