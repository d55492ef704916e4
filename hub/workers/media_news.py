"""Applies Agora's notices: each only adds to what is known, so their order and number do not matter."""

from collections.abc import Callable, Mapping

import asyncpg
import msgspec

from hub.vendors.agora_notices import Known, Moved
from hub.workers.webhooks import Applies
from store.postgres import media_notices, recordings
from store.records import InboxEvent


def media_news(pool: asyncpg.Pool, *, now_ms: Callable[[], int]) -> Mapping[str, Applies]:
    """By the inbox's type of a notice, what applies it."""

    async def apply(event: InboxEvent) -> str | None:
        told: Known = msgspec.convert(event.payload, Known)
        if isinstance(told, Moved):
            await media_notices.insert_move(pool, told.channel, told.uid, told.move, now_ms=now_ms())
            return None
        ours = await recordings.heard(
            pool,
            channel=told.channel,
            uid=told.uid,
            sid=told.sid,
            what=told.what,
            at_ms=told.at_ms,
            files=told.files,
            now_ms=now_ms(),
        )
        return None if ours else "not ours"

    return {"agora.moved": apply, "agora.recorded": apply}
