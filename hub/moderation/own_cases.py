"""Nobody looks into a case of their own."""

from rooms import queue
from rooms.ids import SessionId, UserId
from store.postgres import evidence
from store.postgres.pool import Db


async def require_foreign(db: Db, who: UserId, session_id: SessionId | None, *concerned: UserId) -> None:
    """Raises OwnCase for whoever is among `concerned`, or took part in the session, or reported in it."""
    queue.require_foreign(concerned, who)
    if await evidence.is_involved(db, session_id, who):
        raise queue.OwnCase
