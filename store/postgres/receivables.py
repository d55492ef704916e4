"""What guests owe for sessions that no card of theirs has paid for."""

from rooms.ids import SessionId, UserId
from store.money_records import Owed
from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements

SQL = statements("receivables")


async def owed(db: Db, person_id: UserId) -> list[Owed]:
    """What a guest owes, session by session."""
    return many(await db.fetch(SQL["owed"], person_id), Owed)


async def debtor(db: Db, session_id: SessionId, participant_no: int) -> UserId | None:
    """Whose part of a session it is; None when nobody's."""
    found: UserId | None = await db.fetchval(SQL["debtor"], session_id, participant_no)
    return found
