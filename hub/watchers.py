"""Who watches the directory on this hub, and through which sockets practitioners are online."""

from collections.abc import Collection
from typing import NamedTuple

import msgspec
import structlog
from redis.exceptions import RedisError

from hub.edge.connection import Connection
from hub.edge.fanout import deliver, frame
from hub.outbound import DirectoryChanged, DirectoryDetails
from rooms.directory import Status
from rooms.ids import ConnectionId, UserId
from store.redis.directory import Directory, changed
from store.redis.people import People

log = structlog.get_logger()

NOBODY: frozenset[UserId] = frozenset()


class Turned(NamedTuple):
    """Who disappeared from somebody's directory, and who is seen in it again."""

    vanished: frozenset[UserId]
    returned: frozenset[UserId]


class Watchers:
    """The sockets that asked for `directory:changed`, and those that made a practitioner online."""

    def __init__(self) -> None:
        self._watching: dict[ConnectionId, Connection] = {}
        self._lines: dict[UserId, set[ConnectionId]] = {}
        self._hidden: dict[UserId, frozenset[UserId]] = {}
        """Whom watchers do not see, where there is anybody."""
        self._unsure: dict[UserId, frozenset[UserId]] = {}
        self._online: set[ConnectionId] = set()
        self._lost: dict[ConnectionId, UserId] = {}

    def watch(self, connection: Connection) -> None:
        """Tell this socket what changes. Harmless the second time."""
        self._watching[connection.id] = connection
        self._lines.setdefault(connection.user_id, set()).add(connection.id)

    def unwatch(self, connection: Connection) -> None:
        """Tell it no more."""
        self._watching.pop(connection.id, None)
        lines = self._lines.get(connection.user_id)
        if lines is None:
            return
        lines.discard(connection.id)
        if not lines:
            del self._lines[connection.user_id]
            self._hidden.pop(connection.user_id, None)
            self._unsure.pop(connection.user_id, None)

    def watches(self, user_id: UserId) -> bool:
        """Whether any socket of this person watches."""
        return user_id in self._lines

    def hide(self, user_id: UserId, hidden: frozenset[UserId]) -> Turned:
        """Of these people the person is told nothing. Gives whom they do not see any more, and see again."""
        if user_id not in self._lines:
            return Turned(NOBODY, NOBODY)
        before = self._hidden.get(user_id, NOBODY)
        self._unsure.pop(user_id, None)
        if hidden:
            self._hidden[user_id] = hidden
        else:
            self._hidden.pop(user_id, None)
        return Turned(hidden - before, before - hidden)

    def doubt(self, user_id: UserId, other: UserId) -> None:
        """Somebody was blocked, or is no more: nothing is told of them until it is known which."""
        if user_id in self._lines:
            self._unsure[user_id] = self._unsure.get(user_id, NOBODY) | {other}

    def show(self, user_id: UserId, practitioner_id: UserId, status: Status) -> None:
        """Tell one watching person how a practitioner stands."""
        mine = [self._watching[id_] for id_ in self._lines.get(user_id, ())]
        deliver(frame("directory:changed", _body(practitioner_id, status)), mine)

    def went_online(self, connection: Connection) -> None:
        """The socket keeps its practitioner online."""
        self._online.add(connection.id)

    def went_offline(self, user_id: UserId, connections: Collection[Connection]) -> None:
        """The practitioner takes no requests; their sockets keep nothing up any more."""
        self._online.difference_update(connection.id for connection in connections)
        self._lost = {id_: who for id_, who in self._lost.items() if who != user_id}

    def gone(self, connection: Connection) -> None:
        """The socket is gone. If it kept its practitioner online, `record_lost` takes that back."""
        self.unwatch(connection)
        if connection.id in self._online:
            self._online.discard(connection.id)
            self._lost[connection.id] = connection.user_id

    def forget_all(self) -> None:
        """The incarnation is fenced: whoever swept it has corrected the directory."""
        self._online.clear()
        self._lost.clear()

    async def record_lost(self, people: People, directory: Directory) -> int:
        """Say which practitioners lost sockets. What fails is said again next time."""
        recorded = 0
        for connection_id, user_id in list(self._lost.items()):
            try:
                await directory.show(await people.lose_connection(user_id, connection_id))
            except (RedisError, OSError) as error:
                log.warning("directory.loss_unrecorded", error=type(error).__name__)
                break
            self._lost.pop(connection_id, None)
            recorded += 1
        return recorded

    def hear(self, message: bytes) -> None:
        """The directory changed."""
        user_id, status, details = changed(message)
        sent = frame("directory:changed", _body(user_id, status, details))
        if not self._hidden and not self._unsure:
            deliver(sent, self._watching.values())
            return
        blind = {
            watcher
            for known in (self._hidden, self._unsure)
            for watcher, hidden in known.items()
            if user_id in hidden
        }
        deliver(sent, [c for c in self._watching.values() if c.user_id not in blind])


def _body(user_id: UserId, status: Status, details: bytes | None = None) -> bytes:
    told = DirectoryDetails() if details is None else msgspec.json.decode(details, type=DirectoryDetails)
    return msgspec.json.encode(DirectoryChanged(id=user_id, status=status, **msgspec.structs.asdict(told)))
