"""The moderators' queue, and what they do."""

from hub import wire
from hub.edge.connection import Connection
from hub.hub import Hub
from hub.moderation import claiming, flagging, moderating
from hub.wire_moderation import Act, Acted, Claimed, ClaimFlag, FlagsWatched
from store.postgres import flags

QUEUE_PAGE = 200


async def watch(hub: Hub, connection: Connection, _body: wire.Nothing) -> FlagsWatched:
    """`moderation:watch`: the queue as it is now, and every change from here on."""
    hub.desk.watch(connection, now_ms=hub.now_ms())
    found = await flags.queue(hub.pool, connection.user_id, after=None, limit=QUEUE_PAGE)
    if connection.closed:
        # It went while we asked: nobody else would take it off the list.
        hub.desk.gone(connection)
    return FlagsWatched(
        await flagging.flag_views(hub, found), found[-1].id if len(found) == QUEUE_PAGE else None
    )


async def claim(hub: Hub, connection: Connection, body: ClaimFlag) -> Claimed:
    """`moderation:claim`: take a case, so that nobody else works on it; again, to keep it."""
    return await claiming.claim(hub, connection.principal, body)


async def act(hub: Hub, connection: Connection, body: Act) -> Acted:
    """`moderation:act`: what is decided takes effect on every hub before this answers."""
    return await moderating.act(hub, connection.principal, body)
