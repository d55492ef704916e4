"""From a practitioner's wish to a recording on record: with both people's consent as it stands just then."""

from functools import partial

import uuid_utils

from hub.errors import Code, Refused
from hub.hub import Hub
from rooms import media, recording
from rooms.errors import NotFound, NotLive
from rooms.ids import SessionId, UserId
from rooms.room import Room
from store.postgres import consents, recordings
from store.postgres.recordings import Row


async def begin(hub: Hub, session_id: SessionId, who: UserId) -> Room:
    """Have a session recorded; the room as it is then. While one is open already, that is the one.

    Raises what `recording.may_begin` does, Refused(conflict) where nothing can be recorded, and
    Refused(forbidden) without the agreement of both.
    """
    room = (await hub.live.rooms.require(session_id)).room
    recording.may_begin(room, who)
    _require_recorder(hub)
    row = await _put_on_record(hub, room)
    return await show(hub, row, room)


async def end(hub: Hub, session_id: SessionId, who: UserId) -> Room:
    """Want the session's recording to end; it is over once the vendor says so. Harmless without one."""
    room = (await hub.live.rooms.require(session_id)).room
    recording.require_host(room, who)
    await recordings.want_stop(hub.pool, session_id, "stopped", now_ms=hub.now_ms())
    return room


async def show(hub: Hub, row: Row, room: Room) -> Room:
    """Say in the room how its recording stands. Should we die before, the duty does it."""
    try:
        return (await hub.live.change(row.session_id, partial(recording.show, told=row.told))).room
    except (NotFound, NotLive):
        return room


def _require_recorder(hub: Hub) -> None:
    if hub.agora is None:
        raise Refused(
            Code.CONFLICT, "Picture and sound go from browser to browser here: there is nothing to record."
        )
    if not hub.records:
        raise Refused(Code.UNAVAILABLE, "This installation has no place for recordings.")


async def _put_on_record(hub: Hub, room: Room) -> Row:
    host, guest = room.practitioner.user_id, room.guests[0].user_id
    async with hub.pool.acquire() as connection, connection.transaction():
        for person_id in sorted((host, guest)):
            # Whoever takes their agreement back meanwhile waits for us, and then finds what has to stop.
            await consents.share_consents(connection, person_id)
        ours = await recordings.consent_to_recording(connection, host)
        theirs = await recordings.consent_to_recording(connection, guest)
        if ours is None or theirs is None:
            raise _not_agreed(you=ours is None, guest=theirs is None)
        wanted = await recordings.want(
            connection,
            str(uuid_utils.uuid7()),
            session_id=room.id,
            practitioner_id=host,
            guest_id=guest,
            consents=(ours, theirs),
            channel=media.channel(room.id),
            lasts_s=room.limits.session_ms // 1000,
            now_ms=hub.now_ms(),
        )
        latest = wanted or await recordings.latest(connection, room.id)
    if latest is None or latest.state in ("stopped", "failed"):
        raise Refused(Code.CONFLICT, "This session was recorded often enough; it can't be recorded again.")
    return latest


def _not_agreed(*, you: bool, guest: bool) -> Refused:
    who = "Neither of you has" if you and guest else "You have not" if you else "The guest has not"
    return Refused(Code.FORBIDDEN, f"{who} agreed to recordings: both have to, each in their own settings.")
