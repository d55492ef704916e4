"""What is said in the room."""

import uuid_utils
from msgspec import Struct

from hub import outbound, wire
from hub.chatting import messages
from hub.delivery import Follow, moment
from hub.edge.connection import Connection
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.safety.checking import because, utterance
from hub.safety.distress import care
from hub.tell import ROOM, who_sees
from rooms.chat import in_distress
from rooms.errors import NotFound, NotInRoom, NotLive
from rooms.ids import SessionId
from rooms.room import OPEN, Participant, Room
from rooms.safety.verdict import Verdict
from store.redis.raised import Flagged


async def send(hub: Hub, connection: Connection, body: wire.SendChat) -> wire.Sent:
    """`chat:send`: check, seal, append, be told like everyone else. The hot path: one trip to the store."""
    text = body.text
    if not text.strip():
        raise Refused(Code.BAD_REQUEST, "There is nothing in this message.", fields={"text": "is blank"})
    followed, me = await _inside(hub, connection, SessionId(body.session_id))
    key = await hub.keyring.load(me.user_id)
    # From the check to the append nothing waits, so that no other line of this person comes in between.
    verdict = hub.safety.check(followed, me.user_id, text, now_ms=hub.now_ms())
    message_id = str(uuid_utils.uuid7())
    said = utterance(key, followed.session_id, me, message_id, body.client_id, verdict, hub.safety.held_ms)
    with hub.safety.said(followed, me.user_id).saying(message_id, text) as saying:
        place = saying.place = await hub.chat.append(said, hub.here.writing())
    if said.flag:
        if place.id != message_id:
            # Taken before, and perhaps nobody here ever knew: the answer to the first try may have been lost.
            said = utterance(key, said.session_id, me, place.id, body.client_id, verdict, hub.safety.held_ms)
        hub.safety.remember(Flagged(said.session_id, said.flag, place.at_ms, place.seq))
        _follow_up(hub, followed, me, verdict)
    return wire.Sent(
        place.id, place.seq or None, place.at_ms, place.status, because(place, connection.language)
    )


def _follow_up(hub: Hub, followed: Follow, sender: Participant, verdict: Verdict) -> None:
    """What a message brings about beside itself, once, however often it comes; its answer does not wait."""
    if in_distress(verdict):
        hosts = [person.user_id for person in followed.people.values() if person.role == "practitioner"]
        host = hosts[0] if hosts else None
        hub.spawn("distress.care", lambda: care(hub, followed.session_id, sender.user_id, host))


async def history(hub: Hub, connection: Connection, body: wire.ReadHistory) -> wire.History:
    """`chat:history`: a piece of the transcript of a room that is still remembered."""
    session_id = SessionId(body.session_id)
    loaded = await hub.live.rooms.require(session_id)
    me = loaded.room.participant(connection.user_id)
    if me is None:
        raise NotFound
    if loaded.room.kind == "live_room" and me.role == "guest" and me.entered_at_ms is None:
        raise NotInRoom
    if loaded.room.of(me).state in OPEN and not me.is_in(connection.id):
        raise NotInRoom
    limit = min(body.limit, hub.sizes.history_messages)
    # Who is out of a live room reads up to where they were: what is said since is not for them.
    stored = (
        []
        if me.lobby == "refused"
        else await hub.chat.read(session_id, max(body.after_seq, me.from_seq), limit)
    )
    return wire.History(await messages(hub.keyring, loaded.room, stored), loaded.seq)


async def typing(hub: Hub, connection: Connection, body: wire.OfSession) -> wire.Done:
    """`chat:typing`: told to the others, and forgotten."""
    followed, me = await _inside(hub, connection, SessionId(body.session_id))
    told = outbound.Typing(followed.session_id, me.user_id)
    await _tell_others(hub, followed, me, "chat:typing", told)
    return wire.Done()


async def read(hub: Hub, connection: Connection, body: wire.ReadMark) -> wire.Done:
    """`chat:read`: how far somebody has read, never past what there is."""
    followed, me = await _inside(hub, connection, SessionId(body.session_id))
    told = outbound.ReadUpTo(followed.session_id, me.user_id, min(body.seq, followed.seq))
    await _tell_others(hub, followed, me, "chat:read", told)
    return wire.Done()


async def _tell_others(hub: Hub, followed: Follow, me: Participant, name: str, body: Struct) -> None:
    """Something of the moment, to those who see that this person is there."""
    room = followed.begun
    audience = ROOM if room is None else who_sees(room, me.user_id)
    await hub.live.rooms.publish(followed.session_id, moment(audience, name, body, but=me.user_id))


async def _inside(hub: Hub, connection: Connection, session_id: SessionId) -> tuple[Follow, Participant]:
    """The room, when this socket is in it. Otherwise says why not, as exactly as the person may know."""
    followed = hub.follows.by_room.get(session_id)
    if followed is not None and connection.id in followed.joined:
        me = followed.people.get(connection.user_id)
        if me is not None:
            return followed, me
    raise _why_not((await hub.live.rooms.require(session_id)).room, connection)


def _why_not(room: Room, connection: Connection) -> Exception:
    person = room.participant(connection.user_id)
    if person is None:
        return NotFound()
    return NotInRoom() if room.state in OPEN and person.lobby != "refused" else NotLive()
