"""Who is here: watching the directory, and a practitioner's switch."""

from hub import eligible, wire
from hub.edge.connection import Connection
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.leaving import require_staying
from hub.money.deal import practitioner
from hub.safety.judging import require_no_open_question
from store.postgres import people as people_records


async def watch(hub: Hub, connection: Connection, _body: wire.Nothing) -> wire.Watched:
    """`directory:watch`: the first page as it is now, and every change from here on."""
    hub.watchers.watch(connection)
    hidden = await hub.blocks.refresh(connection.user_id)
    listings = await people_records.directory(hub.pool, limit=hub.sizes.directory_page)
    statuses = await hub.directory.statuses([listing.id for listing in listings])
    full = len(listings) == hub.sizes.directory_page
    return wire.Watched(
        [practitioner(listing, statuses[listing.id]) for listing in listings if listing.id not in hidden],
        listings[-1].id if full else None,
    )


async def unwatch(hub: Hub, connection: Connection, _body: wire.Nothing) -> wire.Done:
    """`directory:unwatch`."""
    hub.watchers.unwatch(connection)
    return wire.Done()


async def online(hub: Hub, connection: Connection, _body: wire.Nothing) -> wire.Availability:
    """`practitioner:online`: take requests, for as long as this socket lives."""
    await require_no_open_question(hub.pool, connection.user_id)
    await require_staying(hub.pool, connection.user_id)
    practice = await people_records.practice(hub.pool, connection.user_id)
    if practice is None or practice.verified_at_ms is None:
        raise Refused(Code.FORBIDDEN, "Your practice is not verified yet.")
    # Whoever could not join would only keep guests waiting.
    await eligible.to_take_part(hub, connection.user_id)
    if not practice.transfers_active:
        raise Refused(Code.FORBIDDEN, "Finish your payout set-up first, so that you can be paid.")
    standing = await hub.people.go_online(connection.user_id, connection.id, hub.here())
    hub.watchers.went_online(connection)
    # Asked again: whoever noted meanwhile that they can't be paid took them offline before this.
    practice = await people_records.practice(hub.pool, connection.user_id)
    if practice is None or not practice.transfers_active:
        await offline(hub, connection, wire.Nothing())
        raise Refused(Code.FORBIDDEN, "Finish your payout set-up first, so that you can be paid.")
    try:
        # Likewise: whoever noted that they want to be erased took them offline before this.
        await require_staying(hub.pool, connection.user_id)
    except Refused:
        await offline(hub, connection, wire.Nothing())
        raise
    if connection.closed:
        # It went while we asked: take back what nobody else would.
        hub.watchers.gone(connection)
    return wire.Availability(await hub.directory.show(await hub.live.corrected(standing)))


async def offline(hub: Hub, connection: Connection, _body: wire.Nothing) -> wire.Availability:
    """`practitioner:offline`: take no more requests, on any socket. A running session goes on."""
    standing = await hub.people.go_offline(connection.user_id)
    hub.watchers.went_offline(connection.user_id, hub.sockets_of(connection.user_id))
    return wire.Availability(await hub.directory.show(standing))
