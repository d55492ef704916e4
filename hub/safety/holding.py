"""What becomes of a held message: released or rejected, by a moderator, its time-out, or the session's end.

Whoever comes first decides, in one step of the store; whoever comes later finds nothing and says so.
"""

import structlog
from redis.exceptions import ConnectionError, TimeoutError  # noqa: A004

from hub import wire_safety
from hub.chatting import fragment, opened
from hub.delivery import moment
from hub.hub import Hub
from hub.safety.notices import Notice, tell
from hub.tell import OBSERVERS
from rooms.ids import SessionId
from store.redis.held import HeldMessage

log = structlog.get_logger()


async def release(hub: Hub, session_id: SessionId, message_id: str) -> bool:
    """Deliver a held message, as the room's next. False when it is decided; or when the room is closed or its
    sender muted: then it is rejected. Raises InDoubt while the store may lack messages that were delivered.
    """
    held = await hub.held.get(session_id, message_id)
    if held is None:
        return False
    told = await _fragment(hub, held)
    # Not while this hub may have to put messages back: the released one would take the place of one of them.
    hub.here.writing()
    if told is None:
        await reject(hub, session_id, message_id)
        return False
    notice = _to_observers(session_id, message_id, "released")
    place = await hub.held.release(session_id, message_id, told, notice=notice)
    if place in ("closed", "muted"):
        await reject(hub, session_id, message_id)
        return False
    if place == "gone":
        return False
    await _tell_sender(hub, held, "message_released")
    return True


async def reject(hub: Hub, session_id: SessionId, message_id: str) -> bool:
    """Do not deliver a held message. False when it is decided already."""
    held = await hub.held.get(session_id, message_id)
    notice = _to_observers(session_id, message_id, "rejected")
    if not await hub.held.reject(session_id, message_id, notice=notice) or held is None:
        return False
    await _tell_sender(hub, held, "message_rejected")
    return True


async def reject_all(hub: Hub, session_id: SessionId) -> int:
    """The session is over: what was still held is not delivered any more."""
    rejected = 0
    for held in await hub.held.of(session_id):
        rejected += await reject(hub, session_id, held.message_id)
    return rejected


class HeldTimeouts:
    """Decides about held messages that nobody has looked at in time, as their rule says."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    async def run_once(self) -> int:
        """Gives how many were decided."""
        hub, decided = self._hub, 0
        for session_id, message_id in await hub.held.due(await hub.live.rooms.now_ms()):
            try:
                decided += await self._decide(session_id, message_id)
            except (OSError, ConnectionError, TimeoutError):
                # The store is away: it fails for all.
                raise
            except Exception as error:  # noqa: BLE001 - one that fails must not hold up all others
                failed = type(error).__name__
                # Without the traceback: nothing of what was said belongs into a log.
                log.error("chat.held_undecided", message=message_id, error=failed)  # noqa: TRY400
        return decided

    async def _decide(self, session_id: SessionId, message_id: str) -> bool:
        held = await self._hub.held.get(session_id, message_id)
        if held is not None and held.on_timeout == "release":
            return await release(self._hub, session_id, message_id)
        # Also where the room has expired: its deadline is cleared away.
        return await reject(self._hub, session_id, message_id)


async def _fragment(hub: Hub, held: HeldMessage) -> bytes | None:
    """The message as it will be told; None when its sender was erased meanwhile."""
    loaded = await hub.live.rooms.load(held.session_id)
    sender = None if loaded is None else loaded.room.participant(held.sender)
    text = None if sender is None else await opened(hub.keyring, sender.user_id, held.message_id, held.sealed)
    if sender is None or text is None:
        return None
    return fragment(held.message_id, sender, text, held.client_id)


async def _tell_sender(hub: Hub, held: HeldMessage, code: str) -> None:
    notice = Notice(code, held.session_id, held.message_id, held.client_id)
    await tell(hub, held.sender, notice)
    log.info("chat.held_decided", session_id=held.session_id, message=held.message_id, outcome=code)


def _to_observers(session_id: SessionId, message_id: str, status: wire_safety.HeldStatus) -> bytes:
    return moment(OBSERVERS, "chat:held", wire_safety.HeldMessage(session_id, message_id, status))
