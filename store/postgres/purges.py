"""Orders to remove somebody for good, and what each step does to the record."""

from msgspec import Struct

from rooms.ids import SessionId, UserId
from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements

SQL = statements("purges")


class Purge(Struct, frozen=True):
    """One person's removal. `step` is the last step that is done; `attempts` counts tries of the next one."""

    user_id: UserId
    reason: str
    ordered_by: UserId
    session_id: SessionId | None
    step: int
    attempts: int
    ordered_at_ms: int


async def order(
    db: Db,
    *,
    user_id: str,
    reason: str,
    ordered_by: str,
    session_id: str | None,
    from_ms: int,
    now_ms: int,
) -> bool:
    """Want somebody removed, not before `from_ms`; False when that was ordered before, and not cancelled."""
    made = await db.fetchval(SQL["order"], user_id, reason, ordered_by, session_id, from_ms, now_ms)
    return made is not None


async def cancel(db: Db, user_id: str, *, reason: str, now_ms: int) -> bool:
    """They stay. False when nothing was ordered for this reason or is left to stop, or a suspension for it
    still stands.
    """
    return await db.fetchval(SQL["cancel"], user_id, reason, now_ms) is not None


async def contested(db: Db, user_id: UserId) -> bool:
    """Whether they stay for now: it was cancelled, or nobody has decided yet what they say against it."""
    return bool(await db.fetchval(SQL["contested"], user_id))


async def due(db: Db, *, now_ms: int, limit: int, lease_ms: int) -> list[Purge]:
    """Removals to go on with now; nobody else gets them before the lease is over."""
    return many(await db.fetch(SQL["due"], now_ms, limit, lease_ms), Purge)


async def stepped(db: Db, user_id: UserId, step: int, *, next_at_ms: int) -> None:
    """A step is done; the lease goes on until `next_at_ms`."""
    await db.execute(SQL["stepped"], user_id, step, next_at_ms)


async def again(db: Db, user_id: UserId, *, next_at_ms: int) -> None:
    """The next step waits, or did not go through; once more at that time."""
    await db.execute(SQL["again"], user_id, next_at_ms)


async def done(db: Db, user_id: UserId, *, now_ms: int) -> bool:
    """Nothing is left to do; False when that was noted before."""
    return await db.fetchval(SQL["done"], user_id, now_ms) is not None


async def unsettled(db: Db, user_id: UserId) -> bool:
    """Whether a session of theirs, or money that needs their customer at Stripe, is still open."""
    return bool(await db.fetchval(SQL["unsettled"], user_id))


async def restitution_open(db: Db, user_id: UserId) -> bool:
    """Whether money that goes back to them is still on its way: the removal waits for it."""
    return bool(await db.fetchval(SQL["restitution_open"], user_id))


async def sessions_of(db: Db, user_id: UserId, *, after: SessionId | None, limit: int) -> list[SessionId]:
    """Sessions that they were in, in the order of their ids."""
    return [SessionId(row["session_id"]) for row in await db.fetch(SQL["sessions_of"], user_id, after, limit)]


async def forget_card(db: Db, user_id: UserId) -> None:
    """Brand, last digits and where it is at Stripe."""
    await db.execute(SQL["forget_card"], user_id)


async def forget_customer(db: Db, user_id: UserId) -> None:
    """Who they were at Stripe. Only once Stripe has forgotten them too."""
    await db.execute(SQL["forget_customer"], user_id)


async def empty_profile(db: Db, user_id: UserId, *, name: str) -> None:
    """What remains is the id, the role and a name that is nobody's."""
    await db.execute(SQL["empty_profile"], user_id, name)


async def empty_practice(db: Db, user_id: UserId) -> None:
    """What a practitioner wrote about themselves; they are listed no more."""
    await db.execute(SQL["empty_practice"], user_id)


async def forget_findings(db: Db, user_id: UserId) -> None:
    """What rules about fraud made of them and their cards. Before their sightings: these say whose cards."""
    await db.execute(SQL["forget_findings"], user_id)


async def forget_sightings(db: Db, user_id: UserId) -> None:
    """Which devices, networks and cards they were seen with."""
    await db.execute(SQL["forget_sightings"], user_id)


async def forget_payer(db: Db, user_id: UserId) -> None:
    """Who paid, and with which card, in what was asked of Stripe for their sessions.

    Amounts and ids of payments stay: the books need them, and they lead to nobody once Stripe has forgotten
    the customer.
    """
    await db.execute(SQL["forget_payer"], user_id)


async def bury(db: Db, user_id: UserId, *, reason: str, now_ms: int) -> None:
    """Note for ever that this id was removed, so that a restored backup does not bring them back."""
    await db.execute(SQL["bury"], user_id, reason, now_ms)
