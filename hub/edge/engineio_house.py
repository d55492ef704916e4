"""Engine.IO as this hub lives in it: WebSocket only, no queue, no task per packet, no deflate.

The hub is a guest in python-engineio's house. This file, `engineio_socket.py` and `socketio_house.py` are
the only ones that touch names which that library and python-socketio don't promise to keep; both are pinned
to one release, and `tests/integration/edge/test_house_contract.py` fails loudly when a name moves.
"""

import logging
from collections.abc import Callable
from typing import Any

import engineio
from aiohttp import web
from engineio.async_drivers.aiohttp import _async as aiohttp_driver

from hub.edge.engineio_socket import HouseSocket, Listener
from hub.edge.limits import Numbers
from hub.edge.upgrade import ADDRESS, OVER_LIMIT_MS


class HouseEngine(engineio.AsyncServer):  # type: ignore[misc]  # The library has no types.
    """The Engine.IO server: makes house sockets out of HTTP requests that were let in before."""

    numbers: Numbers
    monotonic: Callable[[], float]
    listener: Listener

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # A copy: the library's own is shared by every server in the process.
        self._async = aiohttp_driver | {"translate_request": _environ}

    def create_queue(self, *args: Any, **kwargs: Any) -> None:
        """No queue: whatever would still use one fails at once instead of filling memory."""

    async def _handle_connect(
        self, environ: dict[str, Any], transport: str, jsonp_index: int | None = None
    ) -> web.StreamResponse:
        """A new socket; returns when it has ended."""
        line = HouseSocket(self, self.generate_id(), environ["aiohttp.request"], environ["REMOTE_ADDR"])
        line.over_limit_ms = environ["hub.over_limit_ms"]
        self.sockets[line.sid] = line
        await self._trigger_event("connect", line.sid, environ, run_async=False)
        return await line.serve()

    def forget(self, line: HouseSocket) -> None:
        """Take an ended socket out of the library's table."""
        self.sockets.pop(line.sid, None)


def _environ(request: web.Request) -> dict[str, Any]:
    """What the library reads of a request, and no more: it keeps this as long as the socket lives."""
    return {
        "aiohttp.request": request,
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query_string,
        "HTTP_UPGRADE": request.headers.get("Upgrade", ""),
        "REMOTE_ADDR": request.get(ADDRESS, ""),
        "hub.over_limit_ms": request.get(OVER_LIMIT_MS, 0),
    }


def quiet_logger(name: str) -> logging.Logger:
    """A logger that never prints packets: at INFO the libraries log every one of them, tokens included."""
    logger = logging.getLogger(name)
    logger.setLevel(logging.WARNING)
    return logger
