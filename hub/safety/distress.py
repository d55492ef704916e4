"""When somebody writes that they may harm themselves: help for them, and a word to whoever is with them.

Never a mute, never a strike, and the message is delivered as any other.
"""

from typing import Final

from hub.safety.notices import Notice, Teller, tell
from rooms.ids import SessionId, UserId
from rooms.room import Participant

AGAIN_AFTER_S: Final = 600
"""Whoever was told where help is, is not told again with every sentence."""


async def care(hub: Teller, session_id: SessionId, sender: Participant, practitioner: UserId | None) -> bool:
    """Tell the sender where help is, and a practitioner that their guest may need it. False: told lately."""
    if not await hub.notices.is_first(session_id, sender.user_id, within_s=AGAIN_AFTER_S):
        return False
    await tell(hub, sender.user_id, Notice("distress_help", session_id, help=True))
    if practitioner is not None and sender.role == "guest":
        await tell(hub, practitioner, Notice("distress_alert", session_id))
    return True
