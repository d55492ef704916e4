"""The way to each other's picture and voice."""

import msgspec

from hub import outbound, wire
from hub.delivery import moment
from hub.edge.connection import Connection
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.tell import inside
from rooms import media
from rooms.errors import NotFound, NotInRoom, NotLive
from rooms.ids import SessionId, UserId
from rooms.room import OPEN, Participant, Room


async def refresh(hub: Hub, connection: Connection, body: wire.OfSession) -> wire.MediaReply:
    """`media:refresh`: credentials that last as long as the time that is funded now."""
    loaded = await hub.live.rooms.require(SessionId(body.session_id))
    me = _inside(loaded.room, connection)
    return wire.MediaReply(credentials(hub, loaded.room, me, loaded.now_ms))


async def signal(hub: Hub, connection: Connection, body: wire.SignalPeer) -> wire.Done:
    """`media:signal`: pass something on to the other side, where no Agora app carries the media."""
    room = (await hub.live.rooms.require(SessionId(body.session_id))).room
    me = _inside(room, connection)
    if hub.agora is not None:
        raise Refused(Code.CONFLICT, "Media runs over Agora here; nothing needs to be signalled.")
    other = room.participant(UserId(body.to))
    if other is None or not media.may_signal(room, me, other):
        raise NotFound
    passed = outbound.PeerSignal(room.id, me.user_id, body.data)
    await hub.live.rooms.publish(room.id, moment(inside(UserId(body.to)), "media:signal", passed))
    return wire.Done()


def credentials(hub: Hub, room: Room, person: Participant, now_ms: int) -> wire.Media:
    """The person's place in the session's media channel."""
    place = media.credentials(hub.agora, room, person, longest_ms=hub.media_longest_ms, now_ms=now_ms)
    if place.token is not None:
        hub.disclose(person.user_id, "agora", "media")
    app_id = None if hub.agora is None else hub.agora.app_id
    provider = "peer" if hub.agora is None else "agora"
    return msgspec.convert(
        {
            "provider": provider,
            "app_id": app_id,
            "channel": place.channel,
            "uid": place.uid,
            "token": place.token,
            "expires_at_ms": place.expires_at_ms,
            "publish": media.publishes(room, person),
        },
        wire.Media,
    )


def _inside(room: Room, connection: Connection) -> Participant:
    person = room.participant(connection.user_id)
    if person is None:
        raise NotFound
    if room.state not in OPEN or person.lobby == "refused":
        raise NotLive
    # By the room itself: whoever sees and hears is there, and is metered.
    if not person.is_in(connection.id):
        raise NotInRoom
    return person
