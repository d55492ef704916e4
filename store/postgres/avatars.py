"""People's pictures: which blob shows whom, in which size."""

from collections.abc import Mapping
from typing import Final

from rooms.ids import UserId
from store.postgres import blobs
from store.postgres.blobs import Blob
from store.postgres.pool import Db, Transacting
from store.postgres.rows import one
from store.postgres.statements import statements

LARGE: Final = 512
SMALL: Final = 128
SIZES: Final = (LARGE, SMALL)
"""Pixels of a side. A picture is square."""

SQL = statements("avatars")


async def avatar(db: Db, person_id: UserId, *, size: int) -> Blob | None:
    """The blob with somebody's picture; None without one."""
    return one(await db.fetchrow(SQL["avatar"], person_id, size), Blob)


async def keep_avatar(db: Db, person_id: UserId, made: Mapping[int, Blob]) -> None:
    """Show these, by size, where none is shown any more."""
    for size, picture in made.items():
        await db.execute(SQL["keep_avatar"], person_id, size, picture.id)


async def drop_avatars(db: Transacting, person_id: UserId) -> int:
    """Show no picture of somebody, and remove what was shown. Gives how many sizes there were."""
    dropped = await db.fetch(SQL["drop_avatars"], person_id)
    for row in dropped:
        await blobs.delete_blob(db, row["blob_id"])
    return len(dropped)


async def lock_person(db: Transacting, person_id: UserId) -> bool:
    """Until the end of the transaction, nobody else changes this person's pictures. False: no such person."""
    return await db.fetchval(SQL["lock_person"], person_id) is not None
