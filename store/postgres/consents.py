"""What people agreed to, and took back."""

from typing import Final, Literal, get_args

from msgspec import Struct

from rooms.ids import UserId
from store.postgres.pool import Db, Transacting
from store.postgres.rows import many
from store.postgres.statements import statements

Purpose = Literal["analytics", "sms", "recording"]
PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)

SQL = statements("consents")


class Decision(Struct, frozen=True):
    """One decision. The last one of a purpose holds; without any, nothing was agreed to."""

    id: int
    purpose: Purpose
    granted: bool
    at_ms: int


async def note_consent(
    db: Transacting, person_id: UserId, purpose: Purpose, *, granted: bool, now_ms: int
) -> bool:
    """Put a decision on record; False when it is what holds already. Take the lock first."""
    return await db.fetchval(SQL["note_consent"], person_id, purpose, granted, now_ms) is not None


async def granted(db: Db, person_id: UserId, purpose: Purpose) -> bool:
    """Whether somebody agrees right now. Asked anew each time, so that a no is heard everywhere at once."""
    return bool(await db.fetchval(SQL["granted"], person_id, purpose))


async def own_consents(db: Db, *, limit: int) -> list[Decision]:
    """The latest decisions of whoever the connection acts as."""
    return many(await db.fetch(SQL["own_consents"], limit), Decision)


async def standing_consents(db: Db) -> list[Decision]:
    """The decisions that hold, of whoever the connection acts as."""
    return many(await db.fetch(SQL["standing_consents"]), Decision)


async def lock_consents(db: Transacting, person_id: UserId) -> None:
    """Until the end of the transaction, nobody else decides for this person."""
    await db.execute(SQL["lock_consents"], person_id)


async def share_consents(db: Transacting, person_id: UserId) -> None:
    """Until the end of the transaction, what holds for this person stays so."""
    await db.execute(SQL["share_consents"], person_id)
