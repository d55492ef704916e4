"""What happens when a person's socket comes, and when it goes."""

from functools import partial

import msgpack
import msgspec

from hub import exporting, in_app, leaving, outbound, views
from hub.delivery import Follow
from hub.edge.connection import Connection
from hub.edge.fanout import deliver, frame
from hub.hub import Hub
from hub.moderation import observing, suspending
from hub.safety import notices
from hub.safety.block_cache import BLOCKS
from hub.tell import lobby, lobby_state, offer
from rooms.ids import SessionId, UserId
from rooms.room import OVER, Participant, Room, State
from store.redis import keys
from store.redis.bus import Bus
from store.redis.moderation import SUSPENDED
from store.redis.notices import LEAVING


class Arrivals:
    """Listens for a person while they have a socket here."""

    def __init__(self, hub: Hub, bus: Bus) -> None:
        self._hub = hub
        self._bus = bus
        self._sockets: dict[UserId, int] = {}

    def opened(self, connection: Connection) -> None:
        """A socket came: hear what concerns its person, and tell it which session they are in."""
        user_id = connection.user_id
        self._sockets[user_id] = self._sockets.get(user_id, 0) + 1
        self._hub.spawn("arrivals.greet", lambda: self._greet(connection))

    def gone(self, connection: Connection, reason: str) -> None:
        """A socket went: its rooms are left, and its practitioner's standing is corrected."""
        hub, user_id = self._hub, connection.user_id
        hub.watchers.gone(connection)
        observing.gone(hub, connection)
        hub.desk.gone(connection)
        hub.spawn("directory.offline", lambda: hub.watchers.record_lost(hub.people, hub.directory))
        hub.presence.gone(connection, hub.follows.by_room)
        if hub.presence.owed:
            hub.spawn("presence.depart", lambda: hub.presence.record_departures(hub.live))
        left = self._sockets.get(user_id, 1) - 1
        if left > 0:
            self._sockets[user_id] = left
            return
        self._sockets.pop(user_id, None)
        self._bus.unsubscribe(keys.person(user_id))
        hub.blocks.let_go(user_id)
        hub.follows.let_go(user_id)

    async def attach(self, session_id: SessionId) -> Follow | None:
        """A person here is in this session from now on."""
        return await self._hub.follows.follow(session_id)

    async def _greet(self, connection: Connection) -> None:
        user_id = connection.user_id
        await self._bus.subscribe(keys.person(user_id), partial(self._hear, user_id))
        if user_id not in self._sockets:
            # They left while we asked; nobody else would let the channel go.
            self._bus.unsubscribe(keys.person(user_id))
            return
        # What was decided between their admission and our hearing of them went past this hub.
        if await suspending.drop_suspended(self._hub, [connection]):
            return
        self._hub.blocks.listen(user_id)
        if self._hub.watchers.watches(user_id):
            self._hub.spawn("arrivals.blocks", lambda: self._hub.blocks.refresh(user_id))
        session_id = await self._hub.people.held_by(user_id)
        if session_id is None or await self.attach(session_id) is None:
            return
        loaded = await self._hub.live.rooms.load(session_id)
        if loaded is not None and loaded.room.state not in OVER and not connection.closed:
            _tell_where_they_are(connection, loaded.room)

    def _hear(self, user_id: UserId, message: bytes) -> None:
        kind, session_id = msgpack.unpackb(message)
        if kind == notices.NOTICE:
            notices.hear(self._hub.helplines, list(self._hub.sockets_of(user_id)), session_id)
        elif kind == in_app.IN_APP:
            in_app.hear(self._hub.sockets_of(user_id), session_id)
        elif kind == exporting.EXPORT:
            exporting.hear(list(self._hub.sockets_of(user_id)), session_id)
        elif kind == LEAVING:
            leaving.hear(list(self._hub.sockets_of(user_id)), session_id)
        elif kind == BLOCKS:
            self._hub.blocks.hear(user_id, UserId(session_id))
            if self._hub.watchers.watches(user_id):
                self._hub.spawn("arrivals.blocks", lambda: self._hub.blocks.refresh(user_id))
        elif kind == SUSPENDED:
            everyone = list(self._hub.sockets_of(user_id))
            self._hub.spawn("arrivals.suspended", lambda: suspending.drop_suspended(self._hub, everyone))
        elif kind == "revoke":
            theirs = list(self._hub.sockets_of(user_id))
            self._hub.spawn("arrivals.revoke", lambda: self._hub.identity.drop_revoked(theirs))
        else:
            self._hub.spawn("arrivals.attach", lambda: self._join(user_id, SessionId(session_id)))

    async def _join(self, user_id: UserId, session_id: SessionId) -> None:
        """A person here is in a new session. If it rang before this hub listened, it is told now."""
        followed = await self.attach(session_id)
        if followed is None or followed.begun is None or followed.begun.offered_at_ms is None:
            return
        for connection in list(self._hub.sockets_of(user_id)):
            _tell_where_they_are(connection, followed.begun)


def _tell_where_they_are(connection: Connection, room: Room) -> None:
    person = room.participant(connection.user_id)
    if person is None:
        return
    ringing = room.state is State.REQUESTED
    if person.role == "practitioner" and ringing:
        if room.offered_at_ms is not None:
            deliver(frame("session:offered", msgspec.json.encode(offer(room))), [connection])
        return
    hold = views.hold(person) if ringing else msgspec.UNSET
    body = msgspec.json.encode(outbound.SessionState(views.session(room), hold))
    deliver(frame("session:state", body), [connection])
    if room.kind == "live_room":
        _tell_of_lobby(connection, room, person)


def _tell_of_lobby(connection: Connection, room: Room, person: Participant) -> None:
    """Where a guest stands; to the host, who waits."""
    if person.role == "practitioner":
        deliver(frame("lobby:changed", msgspec.json.encode(lobby(room))), [connection])
    else:
        deliver(frame("lobby:state", msgspec.json.encode(lobby_state(room, person))), [connection])
