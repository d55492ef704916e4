"""Recording a session, at its practitioner's wish and with both people's consent."""

from hub import wire
from hub.edge.connection import Connection
from hub.hub import Hub
from hub.recording import asking
from hub.views import recording
from rooms.ids import SessionId


async def start(hub: Hub, connection: Connection, body: wire.OfSession) -> wire.RecordingReply:
    """`recording:start`: have a live session of two recorded; while it is, it changes nothing."""
    room = await asking.begin(hub, SessionId(body.session_id), connection.user_id)
    return wire.RecordingReply(recording(room))


async def stop(hub: Hub, connection: Connection, body: wire.OfSession) -> wire.RecordingReply:
    """`recording:stop`: end the recording; repeated, or without one, it changes nothing."""
    room = await asking.end(hub, SessionId(body.session_id), connection.user_id)
    return wire.RecordingReply(recording(room))
