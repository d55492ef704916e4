"""Whether a moderator has still to look at a person before anything new begins for them."""

from rooms.ids import UserId
from store.postgres.pool import Db
from store.postgres.statements import statements

SQL = statements("questions")


async def has_open_question(db: Db, user_id: UserId) -> bool:
    """Whether there is a hint, not answered yet, that the person is a minor."""
    return bool(await db.fetchval(SQL["has_open_question"], user_id))
