"""Who watches the directory on this hub, and through which sockets practitioners are online."""

from collections.abc import Collection

import msgspec
import structlog
from redis.exceptions import RedisError

from hub.edge.connection import Connection
from hub.edge.fanout import deliver, frame
from hub.outbound import DirectoryChanged, DirectoryDetails
from rooms.ids import ConnectionId, UserId
from store.redis.directory import Directory, changed
from store.redis.people import People

log = structlog.get_logger()


class Watchers:
    """The sockets that asked for `directory:changed`, and those that made a practitioner online."""

    def __init__(self) -> None:
        self._watching: dict[ConnectionId, Connection] = {}
        self._online: set[ConnectionId] = set()
        self._lost: dict[ConnectionId, UserId] = {}

    def watch(self, connection: Connection) -> None:
        """Tell this socket what changes. Harmless the second time."""
        self._watching[connection.id] = connection

    def unwatch(self, connection: Connection) -> None:
        """Tell it no more."""
        self._watching.pop(connection.id, None)

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
        told = DirectoryDetails() if details is None else msgspec.json.decode(details, type=DirectoryDetails)
        body = msgspec.json.encode(
            DirectoryChanged(id=user_id, status=status, **msgspec.structs.asdict(told))
        )
        deliver(frame("directory:changed", body), self._watching.values())
