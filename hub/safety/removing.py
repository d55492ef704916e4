"""A message that was delivered and should not have been: it is not shown any more, and its place stays.

What it said goes to evidence first. The transcript's chain covers digests of sealed bodies, and still holds.
"""

import structlog
from msgspec.structs import replace

from hub.chatting import opened
from hub.hub import Hub
from hub.safety import evidence
from hub.wire_safety import MessageRemoved
from rooms.ids import SessionId, UserId
from store.postgres import transcript
from store.records import StoredMessage

log = structlog.get_logger()


async def remove(hub: Hub, session_id: SessionId, message_id: str, *, sender: UserId, flag_id: str) -> bool:
    """Take a message out, of its room and of the record. False when it is nowhere, or out of both already.

    Repeatable: what was taken out of the room alone is taken out of the record too.
    """
    message = await _find(hub, session_id, message_id)
    if message is None:
        return False
    await _keep(hub, session_id, message, sender=sender, flag_id=flag_id)
    told = MessageRemoved(session_id, message.seq)
    was_shown = await hub.chat.remove(session_id, message.seq, told)
    # The room first: what is put on record from it after this is removed there as well.
    async with hub.pool.acquire() as connection, connection.transaction():
        await transcript.append(connection, session_id, [replace(message, removed=True)])
        was_on_record = await transcript.remove(connection, session_id, message.seq)
    if was_shown or was_on_record:
        log.info("chat.removed", session_id=session_id, seq=message.seq, flag=flag_id)
    return was_shown or was_on_record


async def was_delivered(hub: Hub, session_id: SessionId, message_id: str) -> bool:
    """Whether the message reached the room, whatever became of it there."""
    return await _find(hub, session_id, message_id) is not None


async def is_shown(hub: Hub, session_id: SessionId, message_id: str) -> bool:
    """Whether the message was delivered, and was not taken out."""
    message = await _find(hub, session_id, message_id)
    return message is not None and not message.removed


async def _find(hub: Hub, session_id: SessionId, message_id: str) -> StoredMessage | None:
    """In the room, or on record once that has forgotten it."""
    said = await hub.chat.transcript(session_id)
    live = next((message for message in said if message.id == message_id), None)
    return live or await transcript.of_id(hub.pool, session_id, message_id)


async def _keep(
    hub: Hub, session_id: SessionId, message: StoredMessage, *, sender: UserId, flag_id: str
) -> None:
    text = await opened(hub.keyring, sender, message.id, message.body)
    if text is None:
        return
    async with hub.pool.acquire() as connection, connection.transaction():
        await evidence.keep(
            connection,
            hub.keyring,
            flag_id=flag_id,
            session_id=session_id,
            subject_id=sender,
            kind="message",
            content=text.encode(),
            now_ms=hub.now_ms(),
            keep_ms=hub.standards.evidence_ms,
        )
