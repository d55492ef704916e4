"""Who is staff, and changes of roles: a row each, until the identity provider knows."""

from typing import Literal

from msgspec import Struct

from rooms.ids import Role, UserId
from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements

SQL = statements("roles")


class RoleChange(Struct, frozen=True):
    """The role that somebody shall have."""

    id: str
    user_id: UserId
    role: Role
    attempts: int


class Found(Struct, frozen=True):
    """Somebody as an admin finds them."""

    id: UserId
    role: Role
    name: str
    email: str
    created_at_ms: int


async def locked_admins(db: Db) -> list[UserId]:
    """All admins, locked until the transaction ends."""
    return [UserId(row["id"]) for row in await db.fetch(SQL["locked_admins"])]


async def role_of(db: Db, user_id: UserId) -> Role | None:
    """Somebody's role, locked until the transaction ends; None when they were never here."""
    found: Role | None = await db.fetchval(SQL["role_of"], user_id)
    return found


async def set_role(db: Db, user_id: UserId, role: Role) -> None:
    """What the record says from now on."""
    await db.execute(SQL["set_role"], user_id, role)


async def order(
    db: Db,
    change: RoleChange,
    *,
    previous: Role,
    ordered_by: UserId,
    now_ms: int,
    lease_ms: int,
) -> bool:
    """Want a role changed, leased to who orders it; False while another change of theirs is under way."""
    made = await db.fetchval(
        SQL["order"], change.id, change.user_id, change.role, previous, ordered_by, now_ms, lease_ms
    )
    return made is not None


async def due(db: Db, *, now_ms: int, limit: int, lease_ms: int) -> list[RoleChange]:
    """Changes to carry out now; nobody else gets them before the lease is over."""
    return many(await db.fetch(SQL["due"], now_ms, limit, lease_ms), RoleChange)


async def done(db: Db, change_id: str, state: Literal["done", "refused"], *, now_ms: int) -> None:
    """Nothing is left to do."""
    await db.execute(SQL["done"], change_id, state, now_ms)


async def again(db: Db, change_id: str, *, next_at_ms: int) -> None:
    """It did not go through; once more at that time."""
    await db.execute(SQL["again"], change_id, next_at_ms)


async def found(db: Db, query: str, *, limit: int) -> list[Found]:
    """People with exactly this id or e-mail address."""
    return many(await db.fetch(SQL["found"], query, limit), Found)
