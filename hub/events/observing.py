"""Moderators read along in rooms."""

from hub import wire
from hub.edge.connection import Connection
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.moderation import observing
from hub.wire_evidence import Observe, Observed
from rooms.errors import NotFound
from rooms.ids import SessionId


async def observe(hub: Hub, connection: Connection, body: Observe) -> Observed:
    """`moderation:observe`: read along, for a bounded time; it is on record who did and why."""
    reason = body.reason.strip()
    if not reason:
        raise Refused(Code.BAD_REQUEST, "Say why; it is on record.", fields={"reason": "is blank"})
    return await observing.observe(hub, connection, SessionId(body.session_id), reason)


async def unobserve(hub: Hub, connection: Connection, body: wire.OfSession) -> wire.Done:
    """`moderation:unobserve`: no more of it."""
    if not observing.stop(hub, connection, SessionId(body.session_id)):
        raise NotFound
    return wire.Done()
