"""When practitioners can be booked, as rows."""

import msgspec

from rooms.bookings.hours import Availability
from rooms.ids import UserId
from store.postgres.pool import Db
from store.postgres.rows import one
from store.postgres.statements import statements

SQL = statements("availability")


async def availability(db: Db, practitioner_id: UserId) -> Availability | None:
    """A practitioner's hours; None while they have not said any."""
    return one(await db.fetchrow(SQL["availability"], practitioner_id), Availability)


async def own_availability(db: Db, practitioner_id: UserId) -> Availability | None:
    """The hours of whoever the connection acts as."""
    return one(await db.fetchrow(SQL["own_availability"], practitioner_id), Availability)


async def save_availability(
    db: Db, practitioner_id: UserId, wanted: Availability, *, now_ms: int
) -> int | None:
    """Keep hours changed on `wanted.version` (0: the first). The new version, None when that is stale."""
    version: int | None = await db.fetchval(
        SQL["save_availability"],
        practitioner_id,
        wanted.zone,
        msgspec.to_builtins(wanted.weekly),
        msgspec.to_builtins(wanted.exceptions),
        wanted.notice_s,
        wanted.horizon_days,
        wanted.slot_s,
        wanted.buffer_s,
        wanted.version,
        now_ms,
    )
    return version
