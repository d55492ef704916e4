"""Applies what Twilio reports of a message. They come late, twice and out of order; reminders go forward.

A report names its reminder, so it also tells of one whose answer was lost that it went out.
"""

from collections.abc import Callable, Mapping
from typing import Final, Literal

import asyncpg
import msgspec
from msgspec import Struct

from hub.workers.webhooks import Applies
from store.postgres import reminders
from store.records import InboxEvent

STATES: Final[Mapping[str, Literal["sent", "delivered", "failed"]]] = {
    "accepted": "sent",
    "scheduled": "sent",
    "queued": "sent",
    "sending": "sent",
    "sent": "sent",
    "delivered": "delivered",
    "read": "delivered",
    "undelivered": "failed",
    "failed": "failed",
    "canceled": "failed",
}


class _Told(Struct, frozen=True):
    reminder: str
    status: str
    error: int | None = None


def sms_news(pool: asyncpg.Pool, *, now_ms: Callable[[], int]) -> Mapping[str, Applies]:
    """By the inbox's type of a call, what applies it."""

    async def apply(event: InboxEvent) -> str | None:
        told = msgspec.convert(event.payload, _Told)
        state = STATES.get(told.status)
        if state is None or event.object_id is None:
            return "not used"
        moved = await reminders.report(
            pool, told.reminder, event.object_id, state, error=told.error, now_ms=now_ms()
        )
        return None if moved else "nothing new"

    return {"twilio.status": apply}
