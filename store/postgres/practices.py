"""What practitioners offer, and how guests become practitioners."""

from typing import Literal

from msgspec import Struct

from rooms.ids import UserId
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

Decision = Literal["approved", "rejected"]
State = Literal["pending", "approved", "rejected", "done"]

SQL = statements("practices")


class Offered(Struct, frozen=True):
    """What somebody wants to offer. Money in minor units of `currency`."""

    headline: str
    topics: list[str]
    rate_minor_per_minute: int
    currency: str


class OwnPractice(Offered, frozen=True):
    """A practice as its practitioner changes it."""

    practitioner_id: UserId
    free_s: int
    accepts_instant: bool
    transfers_active: bool
    verified_at_ms: int | None
    version: int


class Wanted(Struct, frozen=True):
    """What an applicant wants to offer, as it is kept: their words sealed under their own key."""

    headline: bytes
    about: bytes | None
    topics: bytes
    rate_minor_per_minute: int
    currency: str


class Application(Wanted, frozen=True):
    """A guest's wish to be a practitioner. `reason` is sealed under the guest's key as well."""

    id: str
    person_id: UserId
    name: str
    email: str
    state: State
    created_at_ms: int
    decided_by: UserId | None
    decided_at_ms: int | None
    reason: bytes | None


class Approved(Struct, frozen=True):
    """An application whose applicant's role has still to be set."""

    id: str
    person_id: UserId


async def own_practice(db: Db, practitioner_id: UserId) -> OwnPractice | None:
    """A practitioner's practice, verified or not."""
    return one(await db.fetchrow(SQL["own_practice"], practitioner_id), OwnPractice)


async def change_practice(db: Db, wanted: OwnPractice) -> int | None:
    """Write a practice over the version that it was read in. Gives the new one; None when that was stale."""
    version: int | None = await db.fetchval(
        SQL["change_practice"],
        wanted.practitioner_id,
        wanted.version,
        wanted.headline,
        wanted.topics,
        wanted.rate_minor_per_minute,
        wanted.currency,
        wanted.free_s,
        wanted.accepts_instant,
    )
    return version


async def apply(db: Db, application_id: str, person_id: UserId, wanted: Wanted, *, now_ms: int) -> bool:
    """Put an application on record; False when one of this person's is open."""
    made = await db.fetchval(
        SQL["apply"],
        application_id,
        person_id,
        wanted.headline,
        wanted.about,
        wanted.topics,
        wanted.rate_minor_per_minute,
        wanted.currency,
        now_ms,
    )
    return made is not None


async def applications(db: Db, *, state: str | None, before: str | None, limit: int) -> list[Application]:
    """Applications, the newest first."""
    return many(await db.fetch(SQL["applications"], state, before, limit), Application)


async def application(db: Db, application_id: str) -> Application | None:
    """One application."""
    return one(await db.fetchrow(SQL["application"], application_id), Application)


async def latest_application(db: Db, person_id: UserId) -> Application | None:
    """A person's last one."""
    return one(await db.fetchrow(SQL["latest_application"], person_id), Application)


async def decide(
    db: Db, application_id: str, decision: Decision, *, admin_id: UserId, reason: bytes | None, now_ms: int
) -> bool:
    """Decide an application, with a sealed reason; False when it is decided already."""
    decided = await db.fetchval(SQL["decide"], application_id, decision, admin_id, reason, now_ms)
    return decided is not None


async def begin_practice(db: Db, practitioner_id: UserId, wanted: Offered) -> None:
    """Make the practice that was applied for, in the transaction of the decision."""
    await db.execute(
        SQL["begin_practice"],
        practitioner_id,
        wanted.headline,
        wanted.topics,
        wanted.rate_minor_per_minute,
        wanted.currency,
    )


async def approved(db: Db, *, limit: int) -> list[Approved]:
    """Applications whose applicants' roles have still to be set."""
    return many(await db.fetch(SQL["approved"], limit), Approved)


async def finish(db: Db, application_id: str) -> UserId | None:
    """The role is set. Gives whose; None when somebody else finished it."""
    person_id: UserId | None = await db.fetchval(SQL["finish"], application_id)
    return person_id


async def verify(db: Db, practitioner_id: UserId, *, now_ms: int) -> None:
    """Show the practice in the directory."""
    await db.execute(SQL["verify"], practitioner_id, now_ms)
