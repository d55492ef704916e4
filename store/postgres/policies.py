"""The privacy policy: its versions, who was told of which, who accepted which."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from rooms.ids import UserId
from store.postgres.pool import Db, Transacting
from store.postgres.rows import many, one
from store.postgres.statements import statements

Basis = Literal["explicit", "continued_use"]

SQL = statements("policies")


class Version(Struct, frozen=True):
    """A version that was published, and from when it holds."""

    version: int
    effective_at_ms: int
    published_at_ms: int


class Texts(Struct, frozen=True):
    """A version in each language."""

    text_en: str
    text_fr: str


class Acceptance(Struct, frozen=True):
    """That somebody accepted a version: by saying so, or by going on after they were told."""

    version: int
    basis: Basis
    at_ms: int


async def first_policy(db: Db, texts: Texts, *, now_ms: int) -> None:
    """Publish the first version, unless there is one."""
    await db.execute(SQL["first_policy"], now_ms, texts.text_en, texts.text_fr)


async def publish(
    db: Transacting, texts: Texts, *, effective_at_ms: int, admin_id: UserId, now_ms: int
) -> int:
    """Publish the next version; its number. Take the lock first."""
    version: int = await db.fetchval(
        SQL["publish"], effective_at_ms, now_ms, admin_id, texts.text_en, texts.text_fr
    )
    return version


async def lock_policies(db: Transacting) -> None:
    """Until the end of the transaction, nobody else publishes."""
    await db.execute(SQL["lock_policies"])


async def versions(db: Db) -> list[Version]:
    """All versions, the newest first."""
    return many(await db.fetch(SQL["versions"]), Version)


async def text(db: Db, version: int) -> Texts | None:
    """What a version says."""
    return one(await db.fetchrow(SQL["text"], version), Texts)


async def unaccepted(db: Db, person_id: UserId) -> list[Version]:
    """Versions after the last one that somebody accepted, the oldest first."""
    return many(await db.fetch(SQL["unaccepted"], person_id), Version)


async def note_notices(db: Db, people: Sequence[UserId], version: int, *, now_ms: int) -> None:
    """These people were told of a version, and so of all before it."""
    await db.execute(SQL["note_notices"], list(people), version, now_ms)


async def accept(db: Db, person_id: UserId, version: int, *, now_ms: int) -> None:
    """Somebody says that they accept a version."""
    await db.execute(SQL["accept"], person_id, version, now_ms)


async def accept_by_use(db: Db, person_id: UserId, *, now_ms: int) -> list[int]:
    """Somebody goes on after they were told of what is in effect. Gives the versions this accepts."""
    return [row["version"] for row in await db.fetch(SQL["accept_by_use"], person_id, now_ms)]


async def acceptances(db: Db, person_id: UserId) -> list[Acceptance]:
    """What somebody accepted, the newest first."""
    return many(await db.fetch(SQL["acceptances"], person_id), Acceptance)
