"""Background jobs: asked for in the transaction of what they are about, worked on by PgQueuer.

They are written here and not by PgQueuer's own function: its statement takes JSON as text, and connections of
our pools speak JSON as values.
"""

from store.postgres.pool import Db
from store.postgres.statements import statements

SQL = statements("jobs")


async def enqueue(db: Db, entrypoint: str, row_id: str) -> None:
    """Have somebody look at a row. Harmless while a job for it waits or is being worked on.

    The workers are told when the caller's transaction is over.
    """
    await db.execute(SQL["enqueue"], entrypoint, row_id.encode(), f"{entrypoint}:{row_id}")
