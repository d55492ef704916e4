"""Where people come from, noted as keyed hashes for the rules about fraud, and for nothing else.

A middleware remembers address and browser for the length of a request; where a token turns out to be
somebody's, they are hashed at once. Who comes again the same day costs a look into a table in memory.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Final

import asyncpg
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from hub.access import PAYERS
from hub.edge.auth import Principal
from hub.edge.limits import Numbers
from hub.edge.upgrade import Door
from store.postgres import fraud
from store.postgres.fraud import Seen
from store.privacy.marks import Caller, Marks

REMEMBERED: Final = 100_000
WAITING: Final = 10_000
"""Sightings that wait to be written; beyond this, new ones are left out."""
WRITTEN_AT_ONCE: Final = 500

_caller: ContextVar[Caller | None] = ContextVar("caller", default=None)


def remembering(proxies: Iterable[str]) -> Middleware:
    """A middleware; of `X-Forwarded-For` it believes what proxies in these networks wrote."""
    door = Door(origins=(), proxies=proxies, numbers=Numbers(connects=None), monotonic=time.monotonic)

    @web.middleware
    async def remember(request: web.Request, handler: Handler) -> web.StreamResponse:
        told = request.headers
        agent, languages = told.get("User-Agent", ""), told.get("Accept-Language", "")
        # Tasks that a socket starts inherit this; a connection's next request sets it anew.
        _caller.set(Caller(door.address(request), agent, languages))
        return await handler(request)

    return remember


class Callers:
    """Notes who comes from where. `now_ms` gives Unix milliseconds."""

    def __init__(self, pool: asyncpg.Pool, root: bytes, *, now_ms: Callable[[], int]) -> None:
        self._pool = pool
        self._marks = Marks(root)
        self._now_ms = now_ms
        self._known: OrderedDict[tuple[str, str, str, int], None] = OrderedDict()
        self._waiting: list[Seen] = []

    def note(self, who: Principal) -> None:
        """Note who made the request that is under way. Never waits, and never fails."""
        caller = _caller.get()
        if caller is None or who.role not in PAYERS:
            return
        at_ms = self._now_ms()
        for kind, mark, before in self._marks.of(caller, at_ms=at_ms):
            seen = Seen(who.user_id, kind, mark, before, at_ms)
            key = (seen.person_id, seen.kind, seen.mark, seen.day)
            if key not in self._known and len(self._waiting) < WAITING:
                self._known[key] = None
                self._waiting.append(seen)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def run_once(self) -> int:
        """Write what waits; how many. What can't be written now is tried again."""
        written = 0
        while self._waiting:
            batch = self._waiting[:WRITTEN_AT_ONCE]
            await fraud.insert_sightings(self._pool, batch)
            del self._waiting[: len(batch)]
            written += len(batch)
        return written
