"""People as the hub needs them: who they are, what they offer, how they pay."""

from collections.abc import Sequence

from rooms.ids import Role, UserId
from rooms.names import displayed
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements
from store.records import Card, Listing, Person, Practice

SQL = statements("people")


async def person(db: Db, person_id: UserId) -> Person | None:
    """Somebody's profile."""
    return one(await db.fetchrow(SQL["person"], person_id), Person)


async def own_profile(db: Db) -> Person | None:
    """The profile of whoever the connection is acting as."""
    return one(await db.fetchrow(SQL["own_profile"]), Person)


async def ensure(db: Db, *, person_id: UserId, role: Role, name: str, email: str, now_ms: int) -> None:
    """Make the profile at the first sign-in, with a name that deceives nobody; later only a changed role is
    taken over.
    """
    await db.execute(SQL["ensure"], person_id, role, displayed(name), email, now_ms)


async def practice(db: Db, practitioner_id: UserId) -> Practice | None:
    """What a practitioner offers, verified or not."""
    return one(await db.fetchrow(SQL["practice"], practitioner_id), Practice)


async def card(db: Db, person_id: UserId) -> Card | None:
    """A guest's saved card."""
    return one(await db.fetchrow(SQL["card"], person_id), Card)


async def directory(
    db: Db,
    *,
    limit: int,
    ids: Sequence[UserId] | None = None,
    topic: str | None = None,
    after: UserId | None = None,
) -> list[Listing]:
    """Verified practitioners in the order of their ids: all, or those of `ids`, after the cursor `after`."""
    rows = await db.fetch(SQL["directory"], None if ids is None else list(ids), topic, after, limit)
    return many(rows, Listing)


async def set_transfers_active(db: Db, stripe_account: str, *, active: bool) -> UserId | None:
    """Note whether Stripe pays out to this account; the practitioner, when it changed."""
    changed: UserId | None = await db.fetchval(SQL["set_transfers_active"], stripe_account, active)
    return changed
