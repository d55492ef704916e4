"""Tips: one a guest and session."""

from billing.payment import Operation
from rooms.ids import SessionId
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements
from store.records import Tipping

SQL = statements("tips")


async def tipping(db: Db, session_id: SessionId) -> Tipping | None:
    """The session as the guest whom the connection acts as may tip for it; None when it is not theirs."""
    return one(await db.fetchrow(SQL["tipping"], session_id), Tipping)


async def tips(db: Db, session_id: SessionId, participant_no: int) -> list[Operation]:
    """Every attempt to give a tip, the latest last."""
    return many(await db.fetch(SQL["tips"], session_id, participant_no), Operation)
