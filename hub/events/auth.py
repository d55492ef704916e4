"""The connection's own token."""

from hub import wire
from hub.edge.connection import Connection
from hub.hub import Hub
from hub.moderation import suspending


async def refresh(hub: Hub, connection: Connection, body: wire.RefreshToken) -> wire.Refreshed:
    """`auth:refresh`: go on under a newer token of the same person. A role never widens.

    Raises Refused(suspended) like connecting does.
    """
    principal = await hub.identity.verify(body.token)
    await suspending.require_welcome(hub, principal.user_id)
    connection.refresh(principal)
    return wire.Refreshed(principal.expires_at_ms)
