"""A session's life, as its people steer it."""

from functools import partial

from hub import requesting, wire
from hub.connection import Connection
from hub.hub import Hub
from hub.tell import meter_view
from rooms import session
from rooms.departure import Proofs
from rooms.ids import SessionId
from rooms.news import Change
from rooms.room import Room


async def request(hub: Hub, connection: Connection, body: wire.RequestSession) -> wire.Requested:
    """`session:request`: ask a practitioner who is online, and have the hold placed."""
    return await requesting.request(hub, connection.principal, body)


async def accept(hub: Hub, connection: Connection, body: wire.DeclineSession) -> wire.SessionReply:
    """`session:accept`."""
    decide = partial(session.accept, who=connection.user_id)
    return wire.SessionReply(wire.session((await hub.live.change(_id(body), decide)).room))


async def decline(hub: Hub, connection: Connection, body: wire.DeclineSession) -> wire.SessionReply:
    """`session:decline`. The reason is for the practitioner's own record and is not passed on."""
    decide = partial(session.decline, who=connection.user_id)
    return wire.SessionReply(wire.session((await hub.live.change(_id(body), decide)).room))


async def cancel(hub: Hub, connection: Connection, body: wire.OfSession) -> wire.SessionReply:
    """`session:cancel`."""
    decide = partial(session.cancel, who=connection.user_id)
    return wire.SessionReply(wire.session((await hub.live.change(_id(body), decide)).room))


async def end(hub: Hub, connection: Connection, body: wire.OfSession) -> wire.Ended:
    """`session:end`. Repeated, it answers the same, for as long as the room is remembered."""
    who = connection.user_id

    def decide(room: Room, proofs: Proofs, now_ms: int) -> Change:
        return session.end(room, who, proofs=proofs, now_ms=now_ms)

    room = (await hub.live.change_with_proofs(_id(body), decide)).room
    return wire.Ended(wire.session(room), _final_meter(room))


def _final_meter(room: Room) -> wire.Meter | None:
    if room.live_at_ms is None or not room.guests:
        return None
    return meter_view(room, room.guests[0], room.ended_at_ms or room.clock_ms)


def _id(body: wire.OfSession | wire.DeclineSession) -> SessionId:
    return SessionId(body.session_id)
