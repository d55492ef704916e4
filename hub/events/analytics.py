"""What is counted."""

from hub import wire
from hub.counting import count
from hub.edge.connection import Connection
from hub.hub import Hub


async def event(hub: Hub, connection: Connection, body: wire.CountEvent) -> wire.Done:
    """`analytics:event`: counted, if the person agreed to it; `forbidden` otherwise, and nothing is kept."""
    await count(hub, connection.user_id, body.name, body.props)
    return wire.Done()
