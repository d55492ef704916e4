"""Bookings as rows: made, moved, cancelled, looked at when they are due, and told of.

A person's bookings never overlap: the table refuses it whoever races, with asyncpg's ExclusionViolationError.
"""

from typing import Literal

from msgspec import Struct

from rooms.bookings.slots import Taken
from rooms.ids import SessionId, UserId
from rooms.room import Terms
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("bookings")

State = Literal["booked", "started", "done", "missed", "cancelled"]
OPEN = frozenset({"booked", "started"})
"""States of a booking that takes up its people's time."""


class Booking(Struct, frozen=True):
    """A booking with all that was agreed. Its session has the same id."""

    id: SessionId
    practitioner_id: UserId
    guest_id: UserId
    starts_at_ms: int
    ends_at_ms: int
    buffer_ms: int
    state: State
    version: int
    price_kind: Literal["free", "per_minute"]
    currency: str
    rate_minor_per_minute: int
    free_ms: int
    fee_bps: int
    minimum_minor: int
    cap_minor: int
    hold_minutes: int
    missed_minor: int
    free_until_ms: int
    created_at_ms: int
    changed_at_ms: int
    told_version: int
    room_at_ms: int | None
    due_at_ms: int
    ended_at_ms: int | None
    end_reason: str | None

    @property
    def terms(self) -> Terms:
        """What was agreed, as its session takes it."""
        return Terms(
            kind=self.price_kind,
            currency=self.currency,
            rate_minor_per_minute=self.rate_minor_per_minute,
            free_ms=self.free_ms,
            fee_bps=self.fee_bps,
            minimum_minor=self.minimum_minor,
            cap_minor=self.cap_minor,
            hold_minutes=self.hold_minutes,
            missed_minor=self.missed_minor,
        )


class OwnBooking(Struct, frozen=True):
    """A booking as its people see it. `reason` is sealed under the key of `reason_by`."""

    id: SessionId
    practitioner_id: UserId
    practitioner_name: str
    guest_id: UserId
    guest_name: str
    starts_at_ms: int
    ends_at_ms: int
    state: State
    version: int
    price_kind: Literal["free", "per_minute"]
    currency: str
    rate_minor_per_minute: int
    free_ms: int
    minimum_minor: int
    cap_minor: int
    hold_minutes: int
    missed_minor: int
    free_until_ms: int
    created_at_ms: int
    changed_at_ms: int
    room_at_ms: int | None
    ended_at_ms: int | None
    end_reason: str | None
    reason: bytes | None
    reason_by: UserId | None


async def lock_calendars(db: Db, *people: UserId) -> None:
    """Until the transaction is over, nobody else changes the times of these people's bookings."""
    await db.execute(SQL["lock_calendars"], list(people), len(people))


async def insert_booking(
    db: Db,
    booking_id: SessionId,
    practitioner_id: UserId,
    guest_id: UserId,
    request_id: str,
    terms: Terms,
    *,
    starts_at_ms: int,
    ends_at_ms: int,
    buffer_ms: int,
    free_until_ms: int,
    due_at_ms: int,
    now_ms: int,
) -> Booking | None:
    """Book; None when this `request_id` did before. Raises ExclusionViolationError where it would overlap."""
    row = await db.fetchrow(
        SQL["insert_booking"],
        booking_id,
        practitioner_id,
        guest_id,
        request_id,
        starts_at_ms,
        ends_at_ms,
        buffer_ms,
        terms.kind,
        terms.currency,
        terms.rate_minor_per_minute,
        terms.free_ms,
        terms.fee_bps,
        terms.minimum_minor,
        terms.cap_minor,
        terms.hold_minutes,
        terms.missed_minor,
        free_until_ms,
        due_at_ms,
        now_ms,
    )
    return one(row, Booking)


async def booking(db: Db, booking_id: SessionId) -> Booking | None:
    """One booking."""
    return one(await db.fetchrow(SQL["booking"], booking_id), Booking)


async def requested_booking(db: Db, guest_id: UserId, request_id: str) -> Booking | None:
    """What a guest's `request_id` booked."""
    return one(await db.fetchrow(SQL["requested_booking"], guest_id, request_id), Booking)


async def own_booking(db: Db, booking_id: SessionId) -> OwnBooking | None:
    """A booking of whoever the connection acts as."""
    return one(await db.fetchrow(SQL["own_booking"], booking_id), OwnBooking)


async def own_bookings(
    db: Db, *, from_ms: int, to_ms: int | None, after: tuple[int, SessionId] | None, limit: int
) -> list[OwnBooking]:
    """Bookings of whoever the connection acts as that end after `from_ms`, the next one first."""
    start, id_ = after or (None, None)
    return many(await db.fetch(SQL["own_bookings"], from_ms, to_ms, start, id_, limit), OwnBooking)


async def taken(
    db: Db,
    practitioner_id: UserId,
    guest_id: UserId | None,
    *,
    from_ms: int,
    to_ms: int,
    but: SessionId | None = None,
) -> list[Taken]:
    """When either of the two is booked, in order; without the booking `but`."""
    rows = await db.fetch(SQL["taken"], practitioner_id, guest_id, from_ms, to_ms, but)
    return [Taken(row["from_ms"], row["to_ms"], row["buffer_ms"]) for row in rows]


async def next_start_ms(
    db: Db, people: list[UserId], *, after_ms: int, but: SessionId | None = None
) -> int | None:
    """When the next booking of any of these people begins that is not over by `after_ms`."""
    found: int | None = await db.fetchval(SQL["next_start_ms"], people, after_ms, but)
    return found


async def booked_ahead(db: Db, guest_id: UserId) -> int:
    """How many bookings of a guest are to come, or run."""
    count: int = await db.fetchval(SQL["booked_ahead"], guest_id)
    return count


async def move_booking(
    db: Db,
    booking_id: SessionId,
    guest_id: UserId,
    version: int,
    *,
    starts_at_ms: int,
    ends_at_ms: int,
    cap_minor: int,
    missed_minor: int,
    free_until_ms: int,
    due_at_ms: int,
    now_ms: int,
) -> Booking | None:
    """At another time; None when it is not as it was. Raises ExclusionViolationError where they overlap."""
    row = await db.fetchrow(
        SQL["move_booking"],
        booking_id,
        guest_id,
        version,
        starts_at_ms,
        ends_at_ms,
        cap_minor,
        missed_minor,
        free_until_ms,
        due_at_ms,
        now_ms,
    )
    return one(row, Booking)


async def cancel_booking(db: Db, booking_id: SessionId, end_reason: str, *, now_ms: int) -> Booking | None:
    """Cancel what has no room yet; None when it has one, or is over."""
    return one(await db.fetchrow(SQL["cancel_booking"], booking_id, end_reason, now_ms), Booking)


async def say_why(db: Db, booking_id: SessionId, who: UserId, reason: bytes) -> None:
    """Keep what was said with a cancellation, sealed under the key of who said it."""
    await db.execute(SQL["say_why"], booking_id, who, reason)


async def extend_booking(db: Db, booking_id: SessionId, ends_at_ms: int, *, now_ms: int) -> int | None:
    """Until when it lasts now; None when it is over. Raises ExclusionViolationError where they overlap."""
    ends: int | None = await db.fetchval(SQL["extend_booking"], booking_id, ends_at_ms, now_ms)
    return ends


async def due_bookings(db: Db, *, now_ms: int, limit: int, lease_ms: int) -> list[Booking]:
    """Lease what has to be looked at now, the next start first."""
    found = many(await db.fetch(SQL["due_bookings"], now_ms, limit, lease_ms), Booking)
    return sorted(found, key=lambda booking: (booking.starts_at_ms, booking.id))


async def claim_booking(db: Db, booking_id: SessionId, version: int, *, now_ms: int) -> Booking | None:
    """From now on the booking's room decides what becomes of it; None when it was cancelled before, or moved
    since it was due in this version.
    """
    return one(await db.fetchrow(SQL["claim_booking"], booking_id, now_ms, version), Booking)


async def look_again(db: Db, booking_id: SessionId, *, due_at_ms: int, live: bool = False) -> None:
    """Look at it then. Harmless once it is over."""
    await db.execute(SQL["look_again"], booking_id, due_at_ms, live)


async def hold_told(db: Db, booking_id: SessionId, status: str) -> bool:
    """Whether the guest has still to be told that their hold is so; from now on they have been."""
    return await db.fetchval(SQL["hold_told"], booking_id, status) is not None


async def finish_booking(
    db: Db, booking_id: SessionId, state: State, end_reason: str, *, now_ms: int
) -> Booking | None:
    """What became of it; None when that is on record."""
    return one(await db.fetchrow(SQL["finish_booking"], booking_id, state, end_reason, now_ms), Booking)


async def untold(db: Db, *, before_ms: int, limit: int) -> list[Booking]:
    """Bookings of whose last change their people have not been told."""
    return many(await db.fetch(SQL["untold"], before_ms, limit), Booking)


async def told(db: Db, booking_id: SessionId, version: int) -> None:
    """Its people were told of this version."""
    await db.execute(SQL["told"], booking_id, version)


async def unfit_bookings(
    db: Db, *, now_ms: int, until_ms: int, limit: int, one: SessionId | None = None
) -> list[Booking]:
    """Bookings without a room, or `one`, that cannot take place: somebody is suspended, leaving, gone or
    blocked.

    `one` also for a practitioner who is not verified or not paid out to, and while it is open whether one of
    the two is of age; others have time to put that right.
    """
    return many(await db.fetch(SQL["unfit_bookings"], now_ms, until_ms, limit, one), Booking)


async def bookings_of(db: Db, user_id: UserId, *, limit: int) -> list[Booking]:
    """A person's bookings that are still to come."""
    return many(await db.fetch(SQL["bookings_of"], user_id, limit), Booking)


async def put_link(db: Db, person_id: UserId, digest: bytes, *, now_ms: int) -> None:
    """A private address of their calendar; the one before opens nothing any more."""
    await db.execute(SQL["put_link"], person_id, digest, now_ms)


async def delete_link(db: Db, person_id: UserId) -> None:
    """No address opens their calendar any more."""
    await db.execute(SQL["delete_link"], person_id)


async def link_owner(db: Db, digest: bytes) -> UserId | None:
    """Whose calendar this opens."""
    owner: str | None = await db.fetchval(SQL["link_owner"], digest)
    return None if owner is None else UserId(owner)
