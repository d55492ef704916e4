"""The waiting list as rows. At most one offer of a practitioner stands at a time."""

import asyncpg
from msgspec import Struct

from rooms.ids import UserId
from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements

SQL = statements("waitlist")


class WaitingRecord(Struct, frozen=True):
    """For whom a guest waits, and how many are before them, themselves counted."""

    practitioner_id: UserId
    name: str
    asked_at_ms: int
    expires_at_ms: int
    offer_until_ms: int | None
    place: int


class OfferRecord(Struct, frozen=True):
    """It is this guest's turn, until then. `told_at_ms` is None until they were told."""

    guest_id: UserId
    practitioner_id: UserId
    offer_id: str
    offer_until_ms: int
    told_at_ms: int | None


async def join_waitlist(
    db: Db,
    guest_id: UserId,
    practitioner_id: UserId,
    *,
    now_ms: int,
    expires_at_ms: int,
    most_own: int,
    most: int,
) -> bool:
    """Wait for somebody. False when they do already, the other is not listed or blocked, or at a limit."""
    made = await db.fetchval(
        SQL["join_waitlist"], guest_id, practitioner_id, now_ms, expires_at_ms, most_own, most
    )
    return made is not None


async def leave_waitlist(db: Db, guest_id: UserId, practitioner_id: UserId) -> None:
    """Wait no more; harmless for who does not."""
    await db.execute(SQL["leave_waitlist"], guest_id, practitioner_id)


async def waiting(
    db: Db, guest_id: UserId, practitioner_id: UserId | None, *, now_ms: int, limit: int
) -> list[WaitingRecord]:
    """For whom a guest waits, or whether they wait for this one."""
    return many(await db.fetch(SQL["waiting"], guest_id, practitioner_id, now_ms, limit), WaitingRecord)


async def clear_waitlist(db: Db, *, now_ms: int, limit: int) -> int:
    """Remove who waited long enough, let their turn go by, or has asked for a session since; how many."""
    return len(await db.fetch(SQL["clear_waitlist"], now_ms, limit))


async def withdraw_unheard(db: Db, *, now_ms: int) -> None:
    """Turns that went by while nobody told of them: their guests keep their place."""
    await db.execute(SQL["withdraw_unheard"], now_ms)


async def offers(db: Db, *, now_ms: int, limit: int) -> list[OfferRecord]:
    """Whose turn it is."""
    return many(await db.fetch(SQL["offers"], now_ms, limit), OfferRecord)


async def sought(db: Db, *, now_ms: int, limit: int) -> list[UserId]:
    """Practitioners for whom somebody waits, while it is nobody's turn."""
    return [UserId(row["practitioner_id"]) for row in await db.fetch(SQL["sought"], now_ms, limit)]


async def next_in_line(
    db: Db, practitioner_id: UserId, *, now_ms: int, until_ms: int, limit: int
) -> list[UserId]:
    """Guests who may be offered this practitioner, in the order in which they asked; nobody whose next
    booking, or the practitioner's, begins before `until_ms`.
    """
    found = await db.fetch(SQL["next_in_line"], practitioner_id, now_ms, limit, until_ms)
    return [UserId(row["guest_id"]) for row in found]


async def make_offer(
    db: Db, guest_id: UserId, practitioner_id: UserId, offer_id: str, *, now_ms: int, until_ms: int
) -> bool:
    """Make it this guest's turn. False when it is somebody's, or they left."""
    try:
        made = await db.fetchval(SQL["make_offer"], guest_id, practitioner_id, offer_id, now_ms, until_ms)
    except asyncpg.UniqueViolationError:
        # Another process offered the same practitioner in this very moment.
        return False
    return made is not None


async def withdraw_offer(db: Db, offer_id: str) -> None:
    """It is their turn no more, through no doing of theirs: they keep their place."""
    await db.execute(SQL["withdraw_offer"], offer_id)


async def note_told(db: Db, offer_id: str, *, now_ms: int) -> None:
    """Their lines have heard of it."""
    await db.execute(SQL["note_told"], offer_id, now_ms)


async def others_turn_until_ms(
    db: Db, practitioner_id: UserId, guest_id: UserId, *, now_ms: int
) -> int | None:
    """Until when it is another guest's turn; None when it is nobody's, or one's own."""
    until_ms: int | None = await db.fetchval(SQL["others_turn_until_ms"], practitioner_id, guest_id, now_ms)
    return until_ms
