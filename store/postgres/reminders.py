"""Reminders as rows: made when due, on record as `sending` before anything goes out, moved forward only."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from rooms.ids import SessionId, UserId
from store.postgres.pool import Db, Transacting
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("reminders")

State = Literal["due", "sending", "sent", "delivered", "failed", "suppressed", "expired", "lost"]
Language = Literal["en", "fr"]


class Taken(Struct, frozen=True):
    """One that a worker works on. `number`: where it was sent, sealed under the recipient's key."""

    id: str
    booking_id: SessionId
    person_id: UserId
    starts_at_ms: int
    lead_s: int
    state: State
    attempts: int
    sent_at_ms: int | None
    number: bytes | None


class Known(Struct, frozen=True):
    """What is known of a reminder and its recipient right now. `hosts`: the recipient is the practitioner."""

    lead_s: int
    starts_at_ms: int
    booking_state: str
    booking_starts_at_ms: int
    phone: str | None
    country: str | None
    language: Language | None
    hosts: bool
    practitioner_id: UserId
    practitioner_name: str
    zone: str | None
    consents: bool
    barred: bool


class Reminder(Struct, frozen=True):
    """One, and what became of it."""

    id: str
    booking_id: SessionId
    person_id: UserId
    starts_at_ms: int
    lead_s: int
    due_at_ms: int
    state: State
    reason: str | None
    error: int | None
    attempts: int
    sent_at_ms: int | None
    sid: str | None
    next_at_ms: int


class Reached(Struct, frozen=True):
    """Somebody who has a number, and the language they read."""

    id: UserId
    language: Language | None


async def make_due(db: Db, leads_s: Sequence[int], *, now_ms: int, limit: int) -> int:
    """Make the reminders that fall due now, derived from the bookings; how many."""
    return len(await db.fetch(SQL["make_due"], list(leads_s), now_ms, limit))


async def take_reminders(
    db: Db, state: Literal["due", "sending"], *, now_ms: int, limit: int, lease_ms: int
) -> list[Taken]:
    """Lease those of a state whose time has come."""
    return many(await db.fetch(SQL["take_reminders"], state, now_ms, limit, lease_ms), Taken)


async def reminder_facts(db: Db, reminder_id: str, *, now_ms: int) -> Known | None:
    """What a decision needs; None when its booking or person is gone."""
    return one(await db.fetchrow(SQL["reminder_facts"], reminder_id, now_ms), Known)


async def lock_prefix(db: Transacting, prefix: str) -> None:
    """Until the transaction is over, nobody else sends to numbers with this prefix."""
    await db.execute(SQL["lock_prefix"], prefix)


async def sent_to_prefix(db: Db, prefix: str, *, since_ms: int) -> int:
    """How many went to such numbers since then."""
    return int(await db.fetchval(SQL["sent_to_prefix"], prefix, since_ms))


async def sent_to_person(db: Db, person_id: UserId, number_mark: bytes, *, since_ms: int) -> int:
    """How many went to this person or their number since then."""
    return int(await db.fetchval(SQL["sent_to_person"], person_id, number_mark, since_ms))


async def begin_sending(
    db: Transacting,
    reminder_id: str,
    *,
    prefix: str,
    number_mark: bytes,
    number: bytes,
    look_at_ms: int,
    now_ms: int,
) -> bool:
    """On record that it goes out; False when it is not to. Without news it is looked up at `look_at_ms`."""
    row = await db.fetchval(
        SQL["begin_sending"], reminder_id, now_ms, prefix, number_mark, number, look_at_ms
    )
    return row is not None


async def not_sent(db: Db, reminder_id: str, *, sent_at_ms: int, next_at_ms: int, now_ms: int) -> bool:
    """It certainly did not go out at `sent_at_ms`: it is due again."""
    return await db.fetchval(SQL["not_sent"], reminder_id, sent_at_ms, next_at_ms, now_ms) is not None


async def was_sent(db: Db, reminder_id: str, sid: str, *, now_ms: int) -> bool:
    """Twilio has it under this number; False when that is on record."""
    return await db.fetchval(SQL["was_sent"], reminder_id, sid, now_ms) is not None


async def was_refused(db: Db, reminder_id: str, *, reason: str, error: int, now_ms: int) -> bool:
    """Twilio does not send it."""
    return await db.fetchval(SQL["was_refused"], reminder_id, reason, error, now_ms) is not None


async def look_later(db: Db, reminder_id: str, *, next_at_ms: int) -> None:
    """Look it up again then."""
    await db.execute(SQL["look_later"], reminder_id, next_at_ms)


async def give_up(db: Db, reminder_id: str, *, now_ms: int) -> bool:
    """Nobody knows whether it went out; it is not sent again."""
    return await db.fetchval(SQL["give_up"], reminder_id, now_ms) is not None


async def put_off(db: Db, reminder_id: str, *, next_at_ms: int, now_ms: int) -> None:
    """Due, but not before then."""
    await db.execute(SQL["put_off"], reminder_id, next_at_ms, now_ms)


async def leave_out(
    db: Db, reminder_id: str, state: Literal["suppressed", "expired"], reason: str, *, now_ms: int
) -> bool:
    """It is not sent, and why."""
    return await db.fetchval(SQL["leave_out"], reminder_id, state, reason, now_ms) is not None


async def report(
    db: Db,
    reminder_id: str,
    sid: str,
    state: Literal["sent", "delivered", "failed"],
    *,
    error: int | None,
    now_ms: int,
) -> bool:
    """What Twilio reports of it; False when it is nothing new."""
    return await db.fetchval(SQL["report"], reminder_id, sid, state, error, now_ms) is not None


async def reminders_of(db: Db, booking_id: SessionId, *, limit: int) -> list[Reminder]:
    """All of a booking, also of starts that it had before."""
    return many(await db.fetch(SQL["reminders_of"], booking_id, limit), Reminder)


async def people_with(db: Db, phone: str, *, limit: int) -> list[Reached]:
    """Whoever has this number in their profile."""
    return many(await db.fetch(SQL["people_with"], phone, limit), Reached)


async def note_stop(db: Transacting, person_id: UserId, number_mark: bytes, *, now_ms: int) -> None:
    """The withdrawal that holds came by text from this number."""
    await db.execute(SQL["note_stop"], person_id, number_mark, now_ms)


async def stopped_by(db: Db, person_id: UserId, number_mark: bytes) -> bool:
    """Whether the last decision was a withdrawal by text from this number."""
    return bool(await db.fetchval(SQL["stopped_by"], person_id, number_mark))
