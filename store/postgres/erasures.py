"""Orders to erase somebody, how far each is, and what it still has to wait for."""

from collections.abc import Sequence
from typing import Final, Literal

from msgspec import Struct

from rooms.ids import SessionId, UserId
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("erasures")

DAY_MS: Final = 86_400_000
DUE_MS: Final = 30 * DAY_MS
"""Within this time of the wish reaching us everything is done."""
VENDORS_MS: Final = 10 * DAY_MS
"""By then the vendors are told at the latest, so that they have time as well."""

Source = Literal["self", "email", "minor", "inactive", "restored"]
State = Literal["requested", "waiting", "running", "cancelled", "done"]


class Erasure(Struct, frozen=True):
    """One person's erasure, for whoever carries it out. `step` is the last one done, `attempts` of the
    next.
    """

    receipt: str
    user_id: UserId
    source: Source
    ordered_by: UserId | None
    session_id: SessionId | None
    step: int
    attempts: int
    received_at_ms: int


class Standing(Struct, frozen=True):
    """How an erasure stands. `user_id` is None once it is done."""

    receipt: str
    user_id: UserId | None
    source: Source
    state: State
    waits_for: str | None
    received_at_ms: int
    cancellable_until_ms: int
    due_by_ms: int
    step: int
    done_at_ms: int | None


class Late(Struct, frozen=True):
    """One of which somebody has to be told: `level` 1 ten days before its end, 2 three days, 3 over."""

    receipt: str
    step: int
    waits_for: str | None
    received_at_ms: int
    due_by_ms: int
    level: int


class Figures(Struct, frozen=True):
    """How many are open, how many of them end within ten days, and how many should have."""

    open: int
    late: int
    overdue: int


class KickRule(Struct, frozen=True):
    """A vendor's rule that keeps somebody out of a channel."""

    session_id: SessionId
    channel: str
    uid: int
    rule_id: int


class AccessRequest(Struct, frozen=True):
    """Somebody's wish by e-mail to be shown what there is of them."""

    id: str
    user_id: UserId
    received_at_ms: int
    due_by_ms: int
    answered_at_ms: int | None


async def order(
    db: Db,
    *,
    receipt: str,
    user_id: str,
    source: Source,
    ordered_by: str | None,
    session_id: str | None,
    received_at_ms: int,
    now_ms: int,
    cancellable_until_ms: int,
    from_ms: int,
) -> bool:
    """Want somebody erased, not before `from_ms`; False when one of theirs is open, or they are nobody.

    The periods count from `received_at_ms`, or from `from_ms` where something else has to be over first.
    """
    begins_ms = received_at_ms if source in ("self", "email") else max(received_at_ms, from_ms)
    made = await db.fetchval(
        SQL["order"], receipt, user_id, source, ordered_by, session_id, received_at_ms, now_ms,
        cancellable_until_ms, begins_ms + VENDORS_MS, begins_ms + DUE_MS, from_ms,
    )  # fmt: skip
    return made is not None


async def came_earlier(db: Db, user_id: str, *, received_at_ms: int) -> str | None:
    """An open one counts from when they first wished for it: its receipt. None when that was not earlier."""
    receipt: str | None = await db.fetchval(
        SQL["came_earlier"], user_id, received_at_ms, received_at_ms + VENDORS_MS, received_at_ms + DUE_MS
    )
    return receipt


async def nobody(db: Db, user_id: str) -> bool:
    """Whether this id stands in the place of somebody who was erased."""
    return bool(await db.fetchval(SQL["nobody"], user_id))


async def take_over(db: Db, user_id: str, *, source: Source, ordered_by: str, session_id: str | None) -> bool:
    """An open one is wanted for another reason too, and by somebody else: the person cannot cancel it now."""
    return await db.fetchval(SQL["take_over"], user_id, source, ordered_by, session_id) is not None


async def cancel(db: Db, user_id: str, *, now_ms: int) -> str | None:
    """They stay: the receipt of what is not done. None when nothing is open, or it is too late."""
    receipt: str | None = await db.fetchval(SQL["cancel"], user_id, now_ms)
    return receipt


async def overrule(db: Db, user_id: str, *, source: Source, now_ms: int) -> bool:
    """Others' order is taken back; what the person wished for themselves goes on. False when there is nothing
    to stop, or a suspension for it stands.
    """
    return await db.fetchval(SQL["overrule"], user_id, source, now_ms) is not None


async def pending(db: Db, user_id: str) -> bool:
    """Whether they are to be erased: nothing new begins for them."""
    return bool(await db.fetchval(SQL["pending"], user_id))


async def latest(db: Db, user_id: str) -> Standing | None:
    """The newest erasure of somebody's, open or cancelled."""
    return one(await db.fetchrow(SQL["latest"], user_id), Standing)


async def by_receipt(db: Db, receipt: str) -> Standing | None:
    """The erasure with this number, for whoever has the number."""
    return one(await db.fetchrow(SQL["by_receipt"], receipt), Standing)


async def listed(db: Db, *, only_open: bool, before: str | None, limit: int) -> list[Standing]:
    """Erasures, the newest first."""
    return many(await db.fetch(SQL["listed"], only_open, before, limit), Standing)


async def contested(db: Db, user_id: str) -> bool:
    """Whether they stay for now: none is open, or nobody has decided yet what they say against it."""
    return bool(await db.fetchval(SQL["contested"], user_id))


async def due(db: Db, *, now_ms: int, limit: int, lease_ms: int) -> list[Erasure]:
    """Those to go on with now; nobody else gets them before the lease is over."""
    return many(await db.fetch(SQL["due"], now_ms, limit, lease_ms), Erasure)


async def stepped(db: Db, receipt: str, step: int, *, next_at_ms: int) -> bool:
    """A step is done; the lease goes on until `next_at_ms`. False when it was cancelled meanwhile."""
    return await db.fetchval(SQL["stepped"], receipt, step, next_at_ms) is not None


async def waits(db: Db, receipt: str, waits_for: str, *, next_at_ms: int) -> None:
    """The next step's time has not come; it is looked at again at that time."""
    await db.execute(SQL["waits"], receipt, waits_for, next_at_ms)


async def again(db: Db, receipt: str, *, next_at_ms: int) -> None:
    """The next step did not go through; once more at that time."""
    await db.execute(SQL["again"], receipt, next_at_ms)


async def done(db: Db, receipt: str, user_id: str, *, now_ms: int) -> bool:
    """Nothing is left to do, and no row says any more who it was; False when that was noted before."""
    return await db.fetchval(SQL["done"], receipt, user_id, now_ms) is not None


async def unsettled(db: Db, user_id: str) -> bool:
    """Whether a session or booking of theirs, a recording, money that needs their customer, or money back to
    them is still open.
    """
    return bool(await db.fetchval(SQL["unsettled"], user_id))


async def disputed(db: Db, user_id: str) -> bool:
    """Whether somebody has still to decide about money of theirs: a bank, or an admin."""
    return bool(await db.fetchval(SQL["disputed"], user_id))


async def sessions_of(
    db: Db, user_ids: Sequence[str], *, after: SessionId | None, limit: int
) -> list[SessionId]:
    """Sessions that they were in, under any of these ids, in the order of the sessions' ids."""
    rows = await db.fetch(SQL["sessions_of"], list(user_ids), after, limit)
    return [SessionId(row["session_id"]) for row in rows]


async def to_alert(db: Db, *, now_ms: int, limit: int) -> list[Late]:
    """Open ones of which nobody was told yet how late it is."""
    return many(await db.fetch(SQL["to_alert"], now_ms, limit), Late)


async def alerted(db: Db, receipt: str, level: int) -> bool:
    """Somebody is told; False when another worker did that."""
    return await db.fetchval(SQL["alerted"], receipt, level) is not None


async def figures(db: Db, *, now_ms: int) -> Figures:
    """How the erasures stand."""
    found = one(await db.fetchrow(SQL["figures"], now_ms), Figures)
    return found or Figures(0, 0, 0)


async def forget_findings(db: Db, user_id: str, pseudonym: str) -> None:
    """What rules about fraud made of them and their cards. Before their cards: these say whose they are."""
    await db.execute(SQL["forget_findings"], user_id, pseudonym)


async def foreign_keys(db: Db) -> list[tuple[str, str]]:
    """Which table refers to which, as (child, parent)."""
    return [(row["child"], row["parent"]) for row in await db.fetch(SQL["foreign_keys"])]


async def shell(db: Db, pseudonym: str, user_id: str, *, name: str) -> None:
    """Somebody who is nobody, with their role and this name, for those who met them."""
    await db.execute(SQL["shell"], pseudonym, user_id, name)


async def kicks_of(db: Db, user_id: str, *, now_ms: int, limit: int) -> list[KickRule]:
    """The rules at Agora that still name them by their number in a channel."""
    return many(await db.fetch(SQL["kicks_of"], user_id, now_ms, limit), KickRule)


async def account_of(db: Db, user_id: str) -> str | None:
    """Their connected account at Stripe."""
    account: str | None = await db.fetchval(SQL["account_of"], user_id)
    return account


async def request_access(
    db: Db, *, request_id: str, user_id: str, recorded_by: str, received_at_ms: int
) -> None:
    """Note that somebody asked to be shown what there is of them."""
    due_by_ms = received_at_ms + DUE_MS
    await db.execute(SQL["request_access"], request_id, user_id, recorded_by, received_at_ms, due_by_ms)


async def answer_access(db: Db, request_id: str, *, answered_by: str, now_ms: int) -> UserId | None:
    """Who was answered; None when that was done before, or there is no such request."""
    user_id: UserId | None = await db.fetchval(SQL["answer_access"], request_id, answered_by, now_ms)
    return user_id


async def access_request(db: Db, request_id: str) -> AccessRequest | None:
    """One of them."""
    return one(await db.fetchrow(SQL["access_request"], request_id), AccessRequest)


async def access_requests(db: Db, *, only_open: bool, before: str | None, limit: int) -> list[AccessRequest]:
    """Requests to be shown something, the newest first."""
    return many(await db.fetch(SQL["access_requests"], only_open, before, limit), AccessRequest)
