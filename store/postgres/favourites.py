"""Favourites as rows: each a person's own."""

from msgspec import Struct

from rooms.ids import UserId
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("favourites")


class FavouriteRecord(Struct, frozen=True):
    """Somebody whom one likes to come back to."""

    id: UserId
    name: str
    created_at_ms: int


async def insert_favourite(
    db: Db, person_id: UserId, practitioner_id: UserId, *, now_ms: int, most: int
) -> bool:
    """Add one. False when it is there already, when the other is not listed or blocked, or at `most`."""
    made = await db.fetchval(SQL["insert_favourite"], person_id, practitioner_id, now_ms, most)
    return made is not None


async def delete_favourite(db: Db, person_id: UserId, practitioner_id: UserId) -> None:
    """Take it back; harmless where there is none."""
    await db.execute(SQL["delete_favourite"], person_id, practitioner_id)


async def own_favourite(db: Db, practitioner_id: UserId) -> FavouriteRecord | None:
    """Whether this is a favourite of whoever the connection acts as."""
    return one(await db.fetchrow(SQL["own_favourite"], practitioner_id), FavouriteRecord)


async def own_favourites(db: Db, *, after: UserId | None, limit: int) -> list[FavouriteRecord]:
    """The favourites of whoever the connection acts as."""
    return many(await db.fetch(SQL["own_favourites"], after, limit), FavouriteRecord)
