"""A message that was delivered and should not have been: it is not shown any more, and its place stays.

What it said goes to evidence first. The transcript's chain covers digests of sealed bodies, and still holds.
"""

import structlog

from hub.chatting import opened
from hub.hub import Hub
from hub.safety import evidence
from hub.wire_safety import MessageRemoved
from rooms.ids import SessionId
from store.records import StoredMessage

log = structlog.get_logger()


async def remove(hub: Hub, session_id: SessionId, message_id: str, *, flag_id: str) -> bool:
    """Take a message out of a room that is not on record yet. False when it is not there, or out already."""
    message = await _find(hub, session_id, message_id)
    if message is None or message.removed:
        return False
    await _keep(hub, session_id, message, flag_id)
    told = MessageRemoved(session_id, message.seq)
    removed = await hub.chat.remove(session_id, message.seq, told)
    if removed:
        log.info("chat.removed", session_id=session_id, seq=message.seq, flag=flag_id)
    return removed


async def is_shown(hub: Hub, session_id: SessionId, message_id: str) -> bool:
    """Whether the message was delivered in a room that is not on record yet, and was not taken out."""
    message = await _find(hub, session_id, message_id)
    return message is not None and not message.removed


async def _find(hub: Hub, session_id: SessionId, message_id: str) -> StoredMessage | None:
    said = await hub.chat.transcript(session_id)
    return next((message for message in said if message.id == message_id), None)


async def _keep(hub: Hub, session_id: SessionId, message: StoredMessage, flag_id: str) -> None:
    loaded = await hub.live.rooms.require(session_id)
    sender = next((one for one in loaded.room.people if one.no == message.participant_no), None)
    text = None if sender is None else await opened(hub.keyring, sender.user_id, message.id, message.body)
    if sender is None or text is None:
        return
    async with hub.pool.acquire() as connection, connection.transaction():
        await evidence.keep(
            connection,
            hub.keyring,
            flag_id=flag_id,
            session_id=session_id,
            subject_id=sender.user_id,
            kind="message",
            content=text.encode(),
            now_ms=hub.now_ms(),
            keep_ms=hub.standards.evidence_ms,
        )
