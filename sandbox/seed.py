"""The people everybody knows: made once, under ids that never change."""

import asyncio
import logging
import uuid

import asyncpg

from sandbox.people import Makers, make_person, write_rows

SEEDED = (
    ("guest@example.com", "guest"),
    ("guest2@example.com", "guest"),
    ("practitioner@example.com", "practitioner"),
    ("practitioner2@example.com", "practitioner"),
    ("moderator@example.com", "moderator"),
    ("admin@example.com", "admin"),
)
_NAMESPACE = uuid.UUID("6f1f1a52-4b8e-5d0e-9c1a-3d6f0c4b7a10")
# The names of generated people start at 1; these have numbers of their own far away from them.
_FIRST_NUMBER = 700
_RETRY_S = 0.25
log = logging.getLogger("sandbox.seed")


def seeded_id(email: str) -> str:
    """The id of a seeded person, the same on every machine."""
    return str(uuid.uuid5(_NAMESPACE, email))


async def seed(makers: Makers, *, attempts: int = 40) -> bool:
    """Make the seeded people where they are missing; whoever was erased since stays erased.

    Waits, `attempts` times a quarter of a second, for Postgres and the tables. False: the hub has no rows.
    """
    for number, (email, role) in enumerate(SEEDED, _FIRST_NUMBER):
        if makers.store.get("person", seeded_id(email)) is None:
            make_person(makers, role, number, email, seeded_id(email))
    makers.store.commit()
    records = [makers.store.get("person", seeded_id(email)) for email, _ in SEEDED]
    present = [r for r in records if r is not None and makers.store.get("user", r["id"]) is not None]
    for attempt in range(attempts):
        try:
            await write_rows(makers.database_url, present)
        except (asyncpg.UndefinedTableError, asyncpg.CannotConnectNowError, OSError) as error:
            if attempt == attempts - 1:
                log.warning("the seeded people have no rows in the hub's database: %s", error)
                return False
            await asyncio.sleep(_RETRY_S)
        else:
            return makers.database_url is not None
    return False
