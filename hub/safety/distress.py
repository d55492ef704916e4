"""When somebody writes that they may harm themselves: help for them, and a word to whoever is with them.

Never a mute, never a strike, and the message is delivered as any other.
"""

from contextlib import suppress
from typing import Final

from redis.exceptions import RedisError

from hub.safety.notices import Notice, Teller, tell
from rooms.ids import SessionId, UserId

AGAIN_AFTER_S: Final = 600
"""Whoever was told where help is, is not told again with every sentence."""
UNDER_WAY_S: Final = 5
"""So long whoever began to tell keeps others from it. What fails or dies before it is told, is told anew."""


async def care(hub: Teller, session_id: SessionId, user_id: UserId, practitioner: UserId | None) -> bool:
    """Tell somebody where help is, and their practitioner, if that is another, that they may need it.

    True: they know, by now or since lately. False: somebody else is about to tell them.
    """
    if not await hub.notices.is_first(session_id, user_id, within_s=UNDER_WAY_S):
        return await hub.notices.know(session_id, user_id)
    try:
        await tell(hub, user_id, Notice("distress_help", session_id, help=True))
        if practitioner is not None and practitioner != user_id:
            await tell(hub, practitioner, Notice("distress_alert", session_id))
    except BaseException:
        with suppress(RedisError, OSError):
            await hub.notices.forget_first(session_id, user_id)
        raise
    await hub.notices.keep_first(session_id, user_id, for_s=AGAIN_AFTER_S)
    return True
