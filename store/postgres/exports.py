"""Exports of people's own data: how far each is, and what of the record goes into it."""

from typing import Literal

from msgspec import Struct

from rooms.ids import Role, SessionId, UserId
from store.postgres import blobs
from store.postgres.pool import Db, Transacting
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("exports")

State = Literal["queued", "running", "ready", "failed", "expired"]


class Export(Struct, frozen=True):
    """One export. `attempts` is also the number of whoever is at work on it."""

    id: str
    person_id: UserId
    state: State
    progress_permille: int
    blob_id: str | None
    size_bytes: int | None
    sha256: bytes | None
    attempts: int
    requested_at_ms: int
    ready_at_ms: int | None
    expires_at_ms: int | None
    downloaded_at_ms: int | None

    def standing_at(self, now_ms: int) -> State:
        """The state at a time: what is ready is so until its time is over, whoever has noted that."""
        over = self.state == "ready" and (self.expires_at_ms or 0) <= now_ms
        return "expired" if over else self.state


class Seat(Struct, frozen=True):
    """A session that somebody was in, under a number. Without `transcript_head` it is not on record yet."""

    session_id: SessionId
    no: int
    role: Role
    transcript_head: bytes | None
    message_count: int


class SaidRow(Struct, frozen=True):
    """A message of one's own, still sealed; of others, what the chain covers and never the body."""

    seq: int
    id: str | None
    participant_no: int | None
    at_ms: int | None
    lost: bool
    body_sha256: bytes | None
    gone: bool
    body: bytes | None


class Read(Struct, frozen=True):
    """Somebody of this role read what was said in a session of theirs."""

    n: int
    at_ms: int
    role: str
    action: str
    session_id: str | None


class Shape(Struct, frozen=True):
    """A column of a table, as the database describes it."""

    table_name: str
    column_name: str
    data_type: str
    nullable: bool


async def lock_person(db: Transacting, person_id: UserId) -> bool:
    """Until the end of the transaction nobody else asks for this person. False: there is no such person."""
    return await db.fetchval(SQL["lock_person"], person_id) is not None


async def insert_export(db: Db, export_id: str, person_id: UserId, *, now_ms: int) -> None:
    """Want one. Raises UniqueViolationError when one is standing."""
    await db.execute(SQL["insert_export"], export_id, person_id, now_ms)


async def export(db: Db, export_id: str, person_id: UserId) -> Export | None:
    """One of a person's; None when there is none, or it is somebody else's."""
    return one(await db.fetchrow(SQL["export"], export_id, person_id), Export)


async def standing(db: Db, person_id: UserId, *, now_ms: int) -> Export | None:
    """The one that is on its way or can be had."""
    return one(await db.fetchrow(SQL["standing"], person_id, now_ms), Export)


async def nth_last(db: Db, person_id: UserId, *, since_ms: int, n: int) -> int | None:
    """When the `n`-th last one since then was asked for; None when there were fewer."""
    at_ms: int | None = await db.fetchval(SQL["nth_last"], person_id, since_ms, n)
    return at_ms


async def due(db: Db, *, now_ms: int, limit: int) -> list[str]:
    """Exports that nobody is at work on."""
    return [row["id"] for row in await db.fetch(SQL["due"], now_ms, limit)]


async def take(db: Db, export_id: str, *, now_ms: int, until_ms: int, attempts_max: int) -> Export | None:
    """Have one to oneself until then; None when it can't be. `blob_id` is what an attempt before left."""
    return one(await db.fetchrow(SQL["take"], export_id, now_ms, until_ms, attempts_max), Export)


async def write_into(db: Db, taken: Export, blob_id: str) -> None:
    """Where the archive is being written to."""
    await db.execute(SQL["write_into"], taken.id, taken.attempts, blob_id)


async def went_on(db: Db, taken: Export, *, progress_permille: int, until_ms: int) -> bool:
    """One got further with it, and has it until then. False: it is no longer one's own."""
    kept = await db.fetchval(SQL["went_on"], taken.id, taken.attempts, progress_permille, until_ms)
    return kept is not None


async def ready(
    db: Db, taken: Export, *, size_bytes: int, sha256: bytes, now_ms: int, expires_at_ms: int
) -> bool:
    """It can be had until then. False: it is no longer one's own."""
    kept = await db.fetchval(
        SQL["ready"], taken.id, taken.attempts, size_bytes, sha256, now_ms, expires_at_ms
    )
    return kept is not None


async def again(db: Db, taken: Export, *, next_at_ms: int) -> None:
    """It did not go through; once more at that time."""
    await db.execute(SQL["again"], taken.id, taken.attempts, next_at_ms)


async def give_up(db: Db, taken: Export) -> bool:
    """It will not be. False: it is no longer one's own."""
    return await db.fetchval(SQL["give_up"], taken.id, taken.attempts) is not None


async def give_up_stuck(db: Db, *, now_ms: int, attempts_max: int, limit: int) -> list[Export]:
    """Give up what nobody brought to an end in so many attempts; which those were."""
    return many(await db.fetch(SQL["give_up_stuck"], now_ms, attempts_max, limit), Export)


async def give_up_of(db: Db, person_id: UserId) -> None:
    """None of this person will be: whoever is at work on one finds out at its next piece, and stops."""
    await db.execute(SQL["give_up_of"], person_id)


async def delivered(db: Db, export_id: str, start: int, end: int) -> None:
    """The bytes from `start` up to and without `end` were sent."""
    await db.execute(SQL["delivered"], export_id, start, end)


async def end_delivered(db: Db, export_id: str, *, now_ms: int) -> bool:
    """End one of which every byte was sent. False when some are left, or it was ended before."""
    return await db.fetchval(SQL["end_delivered"], export_id, now_ms) is not None


async def take_back(
    db: Db, export_id: str, start: int, end: int, *, downloaded_at_ms: int, now_ms: int
) -> None:
    """These bytes were noted as sent at that time, and were not; if that ended the export, it goes on."""
    await db.execute(SQL["take_back"], export_id, start, end, downloaded_at_ms, now_ms)


async def expire(db: Db, *, now_ms: int, limit: int) -> None:
    """End those whose time is over."""
    await db.execute(SQL["expire"], now_ms, limit)


async def expire_of(db: Db, person_id: UserId, *, now_ms: int) -> None:
    """End those of a person whose time is over."""
    await db.execute(SQL["expire_of"], person_id, now_ms)


async def left_over(db: Db, *, limit: int, until_ms: int) -> list[str]:
    """Blobs of archives that nobody may have any more; of those that were had, by then."""
    return [row["blob_id"] for row in await db.fetch(SQL["left_over"], limit, until_ms)]


async def drop_left_over(db: Db, *, limit: int, until_ms: int) -> int:
    """Remove such blobs; how many."""
    found = await left_over(db, limit=limit, until_ms=until_ms)
    for blob_id in found:
        await blobs.delete_blob(db, blob_id)
    return len(found)


async def seats(db: Db, *, after: SessionId | None, limit: int) -> list[Seat]:
    """The sessions of whoever the connection acts as, by id."""
    return many(await db.fetch(SQL["seats"], after, limit), Seat)


async def said_total(db: Db) -> int:
    """How many messages there are in these sessions."""
    return int(await db.fetchval(SQL["said_total"]))


async def said(db: Db, session_id: SessionId, *, after_seq: int, limit: int, no: int) -> list[SaidRow]:
    """Messages of a session after a `seq`; the body only of those of the participant `no`."""
    return many(await db.fetch(SQL["said"], session_id, after_seq, limit, no), SaidRow)


async def reads(db: Db, *, before: int | None, limit: int) -> list[Read]:
    """Who read the chats of whoever the connection acts as, the latest first."""
    return many(await db.fetch(SQL["reads"], before, limit), Read)


async def shapes(db: Db, tables: list[str]) -> list[Shape]:
    """The columns of these tables."""
    return many(await db.fetch(SQL["shapes"], tables), Shape)
