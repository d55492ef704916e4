"""What was said, across sessions: sealed, session by session, in order. For trying rules on it."""

from collections.abc import AsyncIterator
from typing import Final

from msgspec import Struct

from rooms.ids import SessionId, UserId
from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements

SQL = statements("said")

PAGE: Final = 1_000
"""Messages that one query reads."""

BEFORE_ALL: Final = SessionId("00000000-0000-0000-0000-000000000000")


class Said(Struct, frozen=True):
    """One message on record, sealed under its sender's key."""

    session_id: SessionId
    seq: int
    id: str
    at_ms: int
    body: bytes
    user_id: UserId


async def said_since(db: Db, from_ms: int, after: tuple[SessionId, int], limit: int) -> list[Said]:
    """Up to `limit` messages since `from_ms` that come after a session's id and a `seq` in it."""
    return many(await db.fetch(SQL["said_since"], from_ms, *after, limit), Said)


async def history(db: Db, from_ms: int) -> AsyncIterator[Said]:
    """Every message since `from_ms` that is on record, read in pages."""
    after = (BEFORE_ALL, 0)
    while page := await said_since(db, from_ms, after, PAGE):
        for said in page:
            yield said
        after = (page[-1].session_id, page[-1].seq)
