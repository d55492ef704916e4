"""What the host of a room may do about a guest in it; a moderator may too, as an action on record."""

from functools import partial

from hub import wire
from hub.edge.connection import Connection
from hub.events.lobby import kick
from hub.hub import Hub
from hub.moderation import moderating
from hub.wire_moderation import Act, OfGuest
from rooms import moderation
from rooms.departure import Proofs
from rooms.ids import SessionId, UserId
from rooms.moderation import Action
from rooms.news import Change
from rooms.room import Room

NOTE = "By the room's own controls."


async def mute(hub: Hub, connection: Connection, body: OfGuest) -> wire.Done:
    """`room:mute`: the guest may not write until that is taken back."""
    if connection.principal.role == "moderator":
        return await _act(hub, connection, body, "mute")
    decide = partial(moderation.host_mutes, who=connection.user_id, user_id=UserId(body.user_id))
    await hub.live.change(SessionId(body.session_id), decide)
    return wire.Done()


async def unmute(hub: Hub, connection: Connection, body: OfGuest) -> wire.Done:
    """`room:unmute`: the guest may write again; what a moderator decided, only a moderator takes back."""
    if connection.principal.role == "moderator":
        return await _act(hub, connection, body, "unmute")
    decide = partial(moderation.host_unmutes, who=connection.user_id, user_id=UserId(body.user_id))
    await hub.live.change(SessionId(body.session_id), decide)
    return wire.Done()


async def remove(hub: Hub, connection: Connection, body: OfGuest) -> wire.Done:
    """`room:remove`: the guest is out. With a single guest, the host has ended the session."""
    if connection.principal.role == "moderator":
        return await _act(hub, connection, body, "remove")

    def decide(room: Room, proofs: Proofs, now_ms: int) -> Change:
        who, user_id = connection.user_id, UserId(body.user_id)
        return moderation.host_removes(room, who, user_id, proofs=proofs, now_ms=now_ms)

    room = (await hub.live.change_with_proofs(SessionId(body.session_id), decide)).room
    if room.kind == "live_room":
        await kick(hub, room, UserId(body.user_id))
    return wire.Done()


async def _act(hub: Hub, connection: Connection, body: OfGuest, action: Action) -> wire.Done:
    asked = Act(session_id=body.session_id, action=action, note=NOTE, user_id=body.user_id)
    await moderating.act(hub, connection.principal, asked)
    return wire.Done()
