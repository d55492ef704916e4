"""What the record has about a person, as they may see it: each under row-level security, as that person."""

from msgspec import Struct

from rooms.ids import Role, SessionId, UserId
from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements

SQL = statements("access")


class OwnSession(Struct, frozen=True):
    """A session that they took part in, and as what."""

    id: SessionId
    role: Role
    kind: str
    state: str
    requested_at_ms: int
    accepted_at_ms: int | None
    live_at_ms: int | None
    ended_at_ms: int | None
    end_reason: str | None


class OwnReport(Struct, frozen=True):
    """Something that they reported; `user_id` is whom."""

    id: str
    session_id: SessionId
    message_id: str | None
    user_id: UserId
    created_at_ms: int
    outcome: str | None
    decided_at_ms: int | None


class OwnBlock(Struct, frozen=True):
    """Somebody whom they blocked."""

    user_id: UserId
    created_at_ms: int


class OwnAction(Struct, frozen=True):
    """A moderator's decision about them; one that `undoes` another took it back."""

    id: str
    session_id: SessionId
    action: str
    reason: str
    duration_s: int | None
    until_ms: int | None
    undoes: str | None
    created_at_ms: int


class OwnAppeal(Struct, frozen=True):
    """What they said against a decision, and what came of it."""

    id: str
    action_id: str
    status: str
    created_at_ms: int
    decided_at_ms: int | None


class OwnRead(Struct, frozen=True):
    """Somebody of this role read what was said in a session of theirs, or a copy of all that is theirs."""

    at_ms: int
    role: str
    action: str
    session_id: SessionId | None


async def own_sessions(db: Db, *, limit: int, younger_ms: int) -> list[OwnSession]:
    """Their sessions, the newest first."""
    return many(await db.fetch(SQL["own_sessions"], limit, younger_ms), OwnSession)


async def own_reports(db: Db, *, limit: int, younger_ms: int) -> list[OwnReport]:
    """What they reported, the newest first."""
    return many(await db.fetch(SQL["own_reports"], limit, younger_ms), OwnReport)


async def own_blocks(db: Db, *, limit: int) -> list[OwnBlock]:
    """Whom they blocked."""
    return many(await db.fetch(SQL["own_blocks"], limit), OwnBlock)


async def own_actions(db: Db, *, limit: int, younger_ms: int) -> list[OwnAction]:
    """What moderators decided about them, the newest first."""
    return many(await db.fetch(SQL["own_actions"], limit, younger_ms), OwnAction)


async def own_appeals(db: Db, *, limit: int, younger_ms: int) -> list[OwnAppeal]:
    """Their appeals, the newest first."""
    return many(await db.fetch(SQL["own_appeals"], limit, younger_ms), OwnAppeal)


async def own_reads(db: Db, *, limit: int) -> list[OwnRead]:
    """Who read their sessions, the newest first."""
    return many(await db.fetch(SQL["own_reads"], limit), OwnRead)
