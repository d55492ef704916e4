"""The connection's own token."""

from hub import wire
from hub.edge.connection import Connection
from hub.hub import Hub


async def refresh(hub: Hub, connection: Connection, body: wire.RefreshToken) -> wire.Refreshed:
    """`auth:refresh`: go on under a newer token of the same person. A role never widens."""
    principal = await hub.identity.verify(body.token)
    connection.refresh(principal)
    return wire.Refreshed(principal.expires_at_ms)
