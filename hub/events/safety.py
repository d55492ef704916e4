"""What people do for their own safety: they report, and they block."""

from hub import wire
from hub.edge.connection import Connection
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.safety import blocks, reports
from hub.wire_evidence import BlockPerson, Report, Reported
from rooms.ids import UserId


async def report(hub: Hub, connection: Connection, body: Report) -> Reported:
    """`safety:report`: point at a message or a person; a moderator looks at it."""
    if not body.reason.strip():
        raise Refused(Code.BAD_REQUEST, "Say in a few words what happened.", fields={"reason": "is blank"})
    return Reported(await reports.report(hub, connection.principal, body))


async def block(hub: Hub, connection: Connection, body: BlockPerson) -> wire.Done:
    """`safety:block`: have nothing to do with somebody any more; an open session of the two ends."""
    await blocks.block(hub, connection.user_id, UserId(body.user_id))
    return wire.Done()
