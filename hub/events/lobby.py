"""The lobby of a live room: a guest knocks, its host decides."""

from functools import partial
from typing import Final

from hub.edge.connection import Connection
from hub.hub import Hub
from hub.lobby import knocking
from hub.moderation import kicking
from hub.tell import lobby as as_the_host_sees_it
from hub.wire_live_rooms import Knock, Knocked, Lobby, OfKnock
from rooms import lobby, media
from rooms.departure import Proofs
from rooms.ids import SessionId, UserId
from rooms.news import Change
from rooms.room import Room

SENT_BACK_S: Final = 60
"""How long whoever is sent back to the lobby is kept out of the media channel."""


async def knock(hub: Hub, connection: Connection, body: Knock) -> Knocked:
    """`room:knock`: ask to be let in, and have the hold placed."""
    return await knocking.knock(hub, connection, body)


async def admit(hub: Hub, connection: Connection, body: OfKnock) -> Lobby:
    """`room:admit`: let somebody in, if a seat is free."""
    decide = partial(lobby.admit, who=connection.user_id, user_id=UserId(body.user_id))
    return _lobby((await hub.live.change(SessionId(body.session_id), decide)).room)


async def deny(hub: Hub, connection: Connection, body: OfKnock) -> Lobby:
    """`room:deny`: do not let somebody in; what was held is released."""
    decide = partial(lobby.deny, who=connection.user_id, user_id=UserId(body.user_id))
    return _lobby((await hub.live.change(SessionId(body.session_id), decide)).room)


async def send_back(hub: Hub, connection: Connection, body: OfKnock) -> Lobby:
    """`room:lobby`: send a guest back; their time stops until they are let in again."""

    def decide(room: Room, proofs: Proofs, now_ms: int) -> Change:
        who, user_id = connection.user_id, UserId(body.user_id)
        return lobby.send_back(room, who, user_id, proofs=proofs, now_ms=now_ms)

    room = (await hub.live.change_with_proofs(SessionId(body.session_id), decide)).room
    # Not for longer: they may be let in again, with the same place in the channel.
    await kick(hub, room, UserId(body.user_id), for_s=SENT_BACK_S)
    return _lobby(room)


async def kick(hub: Hub, room: Room, user_id: UserId, *, for_s: int | None = None) -> None:
    """Whom the host puts out of the room has to leave the media channel too, before their token ends."""
    guest = room.participant(user_id)
    lasts_s = -(-(hub.media_longest_ms + room.limits.grace_ms) // 1000)
    if hub.agora is None or guest is None or guest.entered_at_ms is None:
        return
    async with hub.pool.acquire() as connection, connection.transaction():
        await kicking.order(
            connection,
            session_id=room.id,
            user_id=user_id,
            channel=media.channel(room.id),
            uid=guest.no + media.FIRST_UID,
            seconds=lasts_s if for_s is None else for_s,
            now_ms=hub.now_ms(),
        )


def _lobby(room: Room) -> Lobby:
    told = as_the_host_sees_it(room)
    return Lobby(told.waiting, told.count)
