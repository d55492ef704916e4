"""Tokens expire while their connections are open: warn in time, then close.

Connections lie in buckets of one second by when they are due next, so watching, forgetting and each tick cost
as much as there is to do, however many connections are open.
"""

import math
from collections.abc import Callable

from hub.edge.connection import Connection
from rooms.ids import ConnectionId


class Expiry:
    """Watches connections. `tick`, called about once a second, does what is due by `now_ms`."""

    def __init__(
        self,
        *,
        now_ms: Callable[[], int],
        notice_ms: int,
        expiring: Callable[[Connection], None],
        expired: Callable[[Connection], None],
    ) -> None:
        self._now_ms = now_ms
        self._notice_ms = notice_ms
        self._expiring = expiring
        self._expired = expired
        self._due: dict[int, dict[ConnectionId, Connection]] = {}
        self._second_of: dict[ConnectionId, int] = {}

    def watch(self, connection: Connection) -> None:
        """Start to watch, or start again after the connection got a newer token."""
        self.forget(connection)
        self._place(connection, connection.principal.expires_at_ms - self._notice_ms)

    def forget(self, connection: Connection) -> None:
        """Stop watching; harmless if it wasn't watched."""
        second = self._second_of.pop(connection.id, None)
        if second is not None:
            bucket = self._due[second]
            del bucket[connection.id]
            if not bucket:
                del self._due[second]

    def tick(self) -> None:
        """Warn and close whoever is due."""
        now_ms = self._now_ms()
        for second in sorted(second for second in self._due if second * 1000 <= now_ms):
            for connection in list(self._due.get(second, {}).values()):
                self.forget(connection)
                self._act(connection, now_ms)

    def __len__(self) -> int:
        return len(self._second_of)

    def _act(self, connection: Connection, now_ms: int) -> None:
        expires_at_ms = connection.principal.expires_at_ms
        if expires_at_ms <= now_ms:
            self._expired(connection)
        else:
            self._place(connection, expires_at_ms)
            self._expiring(connection)

    def _place(self, connection: Connection, due_ms: int) -> None:
        second = math.ceil(due_ms / 1000)
        self._due.setdefault(second, {})[connection.id] = connection
        self._second_of[connection.id] = second
