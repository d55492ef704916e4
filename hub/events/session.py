"""A session's life, as its people steer it."""

from functools import partial

from hub import requesting, views, wire
from hub.edge.connection import Connection
from hub.hub import Hub
from hub.money import extending
from hub.routes import replies
from hub.views import meter_view
from rooms import session
from rooms.departure import Proofs
from rooms.errors import NotFound
from rooms.ids import SessionId, UserId
from rooms.news import Change
from rooms.room import Room
from store.postgres import sessions, settlements
from store.postgres.pool import acting_as


async def request(hub: Hub, connection: Connection, body: wire.RequestSession) -> wire.Requested:
    """`session:request`: ask a practitioner who is online, and have the hold placed."""
    return await requesting.request(hub, connection.principal, body)


async def accept(hub: Hub, connection: Connection, body: wire.DeclineSession) -> wire.SessionReply:
    """`session:accept`."""
    decide = partial(session.accept, who=connection.user_id)
    return wire.SessionReply(views.session((await hub.live.change(_id(body), decide)).room))


async def decline(hub: Hub, connection: Connection, body: wire.DeclineSession) -> wire.SessionReply:
    """`session:decline`. The reason is for the practitioner's own record and is not passed on."""
    decide = partial(session.decline, who=connection.user_id)
    return wire.SessionReply(views.session((await hub.live.change(_id(body), decide)).room))


async def cancel(hub: Hub, connection: Connection, body: wire.OfSession) -> wire.SessionReply:
    """`session:cancel`."""
    decide = partial(session.cancel, who=connection.user_id)
    return wire.SessionReply(views.session((await hub.live.change(_id(body), decide)).room))


async def extend(hub: Hub, connection: Connection, body: wire.ExtendSession) -> wire.Extended:
    """`session:extend`: raise the cap, and hold the money for it at once."""
    return await extending.extend(hub, connection.user_id, body)


async def end(hub: Hub, connection: Connection, body: wire.OfSession) -> wire.Ended:
    """`session:end`. Repeated, it answers the same, from the room or, once that is forgotten, the record."""
    who = connection.user_id

    def decide(room: Room, proofs: Proofs, now_ms: int) -> Change:
        return session.end(room, who, proofs=proofs, now_ms=now_ms)

    try:
        room = (await hub.live.change_with_proofs(_id(body), decide)).room
    except NotFound:
        return await _ended_before(hub, who, _id(body))
    return wire.Ended(views.session(room), _final_meter(room, who))


async def _ended_before(hub: Hub, who: UserId, session_id: SessionId) -> wire.Ended:
    """The room is forgotten; what it came to is on record, for those who took part. Raises NotFound."""
    async with acting_as(hub.pool, who) as connection:
        record = await sessions.session(connection, session_id)
        bill = await settlements.receipt(connection, session_id)
    if record is None or not record.complete:
        raise NotFound
    return wire.Ended(replies.session(record), None if bill is None else replies.final_meter(bill))


def _final_meter(room: Room, who: UserId) -> wire.Meter | None:
    """Of a live room, a guest's own: its host has as many as there were guests."""
    guests = [guest for guest in room.guests if room.kind != "live_room" or guest.user_id == who]
    if room.live_at_ms is None or not guests:
        return None
    own = room.of(guests[0])
    return meter_view(room, guests[0], own.ended_at_ms or own.clock_ms)


def _id(body: wire.OfSession | wire.DeclineSession) -> SessionId:
    return SessionId(body.session_id)
