"""A moderator reads along in a room: with a reason, for a bounded time, unseen by the room, and on record.

It is on record before the first word is shown. What was held or blocked is shown too; it is nowhere else.
"""

import asyncio
from collections.abc import Iterable
from typing import Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from hub import chatting, views, wire
from hub.delivery import Follow
from hub.edge.connection import Connection, Frame
from hub.edge.fanout import deliver, frame
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.moderation.observed import TIME_OVER, Observer
from hub.moderation.own_cases import require_foreign
from hub.safety import evidence
from hub.wire_evidence import Observed, ObservedMessage
from hub.wire_safety import HeldMessage
from rooms.errors import NotFound, NotLive
from rooms.ids import SessionId
from rooms.room import OPEN, Participant, Room
from store.evidence_records import WithheldRecord
from store.postgres import audit
from store.postgres import evidence as evidence_rows
from store.privacy.bindings import message_aad
from store.privacy.keys import SealBrokenError, ShreddedError
from store.redis.held import HeldMessage as StoredHeld

Withheld = Literal["held", "blocked", "rejected"]

AT_ONCE: Final = 8
"""How many rooms one socket observes at a time."""
WITHHELD_MAX: Final = 100
"""How many held and blocked messages are shown, the latest."""


async def observe(hub: Hub, connection: Connection, session_id: SessionId, reason: str) -> Observed:
    """Begin, or begin anew with a new time and another entry in the audit.

    Raises NotFound, NotLive, OwnCase, Refused(conflict) beyond `AT_ONCE`.
    """
    room = (await hub.live.rooms.require(session_id)).room
    present = [person.user_id for person in room.people]
    await require_foreign(hub.pool, connection.user_id, room.id, *present)
    if room.state not in OPEN:
        raise NotLive
    if _observed_by(hub, connection, but=session_id) >= AT_ONCE:
        raise Refused(Code.CONFLICT, f"You observe {AT_ONCE} rooms already; leave one first.")
    await _put_on_record(hub, connection, session_id, "moderator_observed", reason=reason)
    followed = await hub.follows.follow(session_id)
    if followed is None:
        raise NotFound
    try:
        until_ms = _begin(hub, connection, followed)
        return await _shown(hub, followed, until_ms)
    except BaseException:
        followed.observers.end(connection.id)
        hub.follows.let_go_of(followed)
        raise


def stop(hub: Hub, connection: Connection, session_id: SessionId) -> bool:
    """Observe no more. False when this socket did not."""
    followed = hub.follows.by_room.get(session_id)
    if followed is None or not followed.observers.end(connection.id):
        # A room that others here are only about to follow is left alone.
        return False
    hub.follows.let_go_of(followed)
    _note_end(hub, connection, session_id, "left")
    return True


def gone(hub: Hub, connection: Connection) -> None:
    """The socket is gone, and with it what it observed."""
    if connection.principal.role == "moderator":
        for session_id in list(hub.follows.by_room):
            stop(hub, connection, session_id)


async def tell_withheld(hub: Hub, followed: Follow) -> None:
    """The bus was away: observers are told again what is withheld. They know a message by its id."""
    if not followed.observers:
        return
    room = (await hub.live.rooms.require(followed.session_id)).room
    for message in await _withheld(hub, room):
        deliver(_frame(room, message), followed.observers.connections())


def _observed_by(hub: Hub, connection: Connection, *, but: SessionId) -> int:
    return sum(
        connection.id in followed.observers
        for session_id, followed in hub.follows.by_room.items()
        if session_id != but
    )


def _note_end(
    hub: Hub, connection: Connection, session_id: SessionId, why: Literal["left", "time_over"]
) -> None:
    """Beside everything else: nobody waits for it, and a session's own end is on record anyway."""
    hub.spawn(
        "observing.ended",
        lambda: _put_on_record(hub, connection, session_id, "observation_ended", why=why),
    )


async def _put_on_record(
    hub: Hub, connection: Connection, session_id: SessionId, action: str, **detail: str
) -> None:
    async with hub.pool.acquire() as db, db.transaction():
        await audit.append(
            db,
            actor_id=connection.user_id,
            actor_role=connection.principal.role,
            action=action,
            subject_id=None,
            session_id=session_id,
            detail=detail,
            now_ms=hub.now_ms(),
            keyring=hub.keyring,
        )


def _begin(hub: Hub, connection: Connection, followed: Follow) -> int:
    """From here on the socket is told what is said; gives until when, by the wall clock, ms."""
    if connection.closed or followed.state not in OPEN:
        raise NotLive

    def over() -> None:
        if followed.observers.end(connection.id, TIME_OVER):
            hub.follows.let_go_of(followed)
            _note_end(hub, connection, followed.session_id, TIME_OVER)

    timer = asyncio.get_running_loop().call_later(hub.observe_ms / 1000, over)
    followed.observers.begin(Observer(followed.session_id, connection, timer))
    return hub.now_ms() + hub.observe_ms


async def _shown(hub: Hub, followed: Follow, until_ms: int) -> Observed:
    # Read after the socket began to be told, so nothing falls in between; what comes twice has the same id.
    loaded = await hub.live.rooms.require(followed.session_id)
    stored = await hub.chat.last(loaded.room.id, hub.sizes.join_messages)
    said = await chatting.messages(hub.keyring, loaded.room, stored)
    delivered = {message.id for message in said if message.id is not UNSET}
    since_ms = stored[0].at_ms if len(stored) == hub.sizes.join_messages else 0
    withheld = [
        message
        for message in await _withheld(hub, loaded.room)
        if message.id not in delivered and message.at_ms is not UNSET and message.at_ms >= since_ms
    ]
    return Observed(
        session=views.session(loaded.room),
        messages=_in_order([*map(_delivered, said), *withheld]),
        head_seq=loaded.seq,
        until_ms=until_ms,
    )


def _in_order(messages: Iterable[ObservedMessage]) -> list[ObservedMessage]:
    """By their time; what is lost or removed has none, and stays after the message before it."""
    timed, last_ms = [], 0
    for message in messages:
        last_ms = last_ms if message.at_ms is UNSET else message.at_ms
        timed.append((last_ms, message))
    return [message for _, message in sorted(timed, key=lambda pair: pair[0])]


def _delivered(message: wire.Message) -> ObservedMessage:
    return ObservedMessage(
        seq=message.seq,
        id=message.id,
        at_ms=message.at_ms,
        sender=message.sender,
        text=message.text,
        client_id=message.client_id,
        lost=message.lost,
        removed=message.removed,
    )


async def _withheld(hub: Hub, room: Room) -> list[ObservedMessage]:
    """What is held now, and what was blocked or rejected, as far as it can still be opened."""
    held = {message.message_id: message for message in await hub.held.of(room.id)}
    kept = await evidence_rows.withheld(hub.pool, room.id, limit=WITHHELD_MAX)
    found = [await _held(hub, room, message) for message in held.values()]
    found += [await _blocked(hub, room, record) for record in kept if record.message_id not in held]
    return [message for message in found if message is not None][-WITHHELD_MAX:]


async def _held(hub: Hub, room: Room, held: StoredHeld) -> ObservedMessage | None:
    sender = room.participant(held.sender)
    if sender is None:
        return None
    try:
        key = await hub.keyring.load(sender.user_id)
        text = hub.keyring.open(key, message_aad(held.message_id), held.sealed).decode()
    except (ShreddedError, SealBrokenError):
        return None
    return _message(sender, held.message_id, held.at_ms, text, "held", held.client_id)


async def _blocked(hub: Hub, room: Room, record: WithheldRecord) -> ObservedMessage | None:
    """Kept as evidence: blocked at once, or rejected after it was held. What was released is delivered."""
    sender = None if record.subject_id is None else room.participant(record.subject_id)
    content = await evidence.open_evidence(hub.keyring, record)
    if sender is None or content is None or record.verdict == "flag":
        return None
    status: Withheld = "blocked" if record.verdict == "block" else "rejected"
    return _message(sender, record.message_id, record.flagged_at_ms, content.decode(), status, UNSET)


def _message(
    sender: Participant,
    message_id: str,
    at_ms: int,
    text: str,
    status: Withheld,
    client_id: str | UnsetType,
) -> ObservedMessage:
    return ObservedMessage(
        seq=None,
        status=status,
        id=message_id,
        at_ms=at_ms,
        sender=wire.Speaker(sender.user_id, sender.name, sender.role),
        text=text,
        client_id=client_id,
    )


def _frame(room: Room, message: ObservedMessage) -> Frame:
    """As the room's own `chat:message`; of one that was rejected meanwhile, that alone."""
    if message.status == "rejected" and message.id is not UNSET:
        return frame("chat:held", msgspec.json.encode(HeldMessage(room.id, message.id, "rejected")))
    told = msgspec.json.encode(message)
    return frame("chat:message", b'{"session_id":"%s",%s' % (room.id.encode(), told[1:]))
