"""The moderators who watch the queue on this hub, and how each hears of every case: at once, and for certain.

News of a case comes over a channel. What a dead process or a broken line kept from it is found by reading the
record again, every few seconds; a case is passed on once a version, in whatever way it came.
"""

from collections import OrderedDict
from collections.abc import Callable

from hub.edge.connection import Connection
from hub.edge.fanout import deliver, frame
from hub.moderation.flagging import Parts, told
from rooms.ids import ConnectionId, UserId
from store.postgres import flags
from store.redis.moderation import Told, heard

OVERLAP_MS = 30_000
"""How far back is read again: a transaction may commit that long after the time it wrote down."""
PAGE = 500
REMEMBERED = 10_000


class Desk:
    """Who watches on this hub. `claimed_s` is told how long a case waited until somebody took it."""

    def __init__(self, *, claimed_s: Callable[[float], None] = lambda _waited_s: None) -> None:
        self.claimed_s = claimed_s
        self._watching: dict[ConnectionId, Connection] = {}
        self._told: OrderedDict[str, int] = OrderedDict()
        self._from_ms = 0
        self._read_ms = 0

    def watch(self, connection: Connection, *, now_ms: int) -> None:
        """Tell this socket of every case from now on. Harmless the second time."""
        if not self._watching:
            self._from_ms = self._read_ms = now_ms
        self._watching[connection.id] = connection

    def gone(self, connection: Connection) -> None:
        """The socket is gone."""
        self._watching.pop(connection.id, None)

    def hear(self, message: bytes) -> None:
        """A case is new or has changed."""
        if self._watching:
            self._pass_on(heard(message))

    async def run_once(self, parts: Parts) -> int:
        """Read what changed lately, in case nobody said so. Gives how many cases were passed on."""
        if not self._watching:
            return 0
        passed = 0
        since_ms = max(self._from_ms, self._read_ms - OVERLAP_MS)
        began_ms = parts.now_ms()
        changed = await flags.changed_since(parts.pool, since_ms, limit=PAGE)
        for flag in changed:
            if flag.version > self._told.get(flag.id, 0):
                passed += self._pass_on(await told(parts, flag))
        self._read_ms = changed[-1].updated_at_ms + OVERLAP_MS if len(changed) == PAGE else began_ms
        return passed

    def _pass_on(self, case: Told) -> bool:
        """Nobody hears of a case of their own. Of two versions the newer one was told last."""
        if case.version <= self._told.get(case.flag_id, 0):
            return False
        self._told[case.flag_id] = case.version
        self._told.move_to_end(case.flag_id)
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        own = frozenset(case.concerned)
        deliver(frame("moderation:flag", case.body), self._allowed(own))
        return True

    def _allowed(self, own: frozenset[UserId]) -> list[Connection]:
        # A role may have been lowered while the socket was open.
        return [
            connection
            for connection in self._watching.values()
            if connection.user_id not in own and connection.principal.role == "moderator"
        ]
