"""Who is who, for admins: finding somebody, and giving them a role. Both are on record."""

from typing import Literal

from aiohttp import web
from msgspec import Struct

from hub import wire
from hub.edge.auth import Principal
from hub.hub import Hub
from hub.moderation import roles
from hub.routes.admin_words import Reason
from hub.routes.answer import Route, bad_request, body, path_id, query
from rooms.ids import Role, UserId
from store.postgres import audit
from store.postgres import roles as records

FOUND_MAX = 20
QUERY_MAX = 320


class GiveRole(wire.Body, frozen=True):
    """Which role, and why."""

    role: Role
    reason: Reason


class Given(Struct, frozen=True):
    """Whose role it is now. `pending` while the identity provider is not told; here it counts already."""

    id: str
    role: Role
    state: Literal["done", "pending"]


class FoundPerson(Struct, frozen=True):
    """Somebody, as an admin needs to know them."""

    id: str
    role: Role
    name: str
    email: str
    created_at_ms: int


class FoundPeople(Struct, frozen=True):
    """Those whose id or e-mail address it is."""

    items: list[FoundPerson]


async def give_role(hub: Hub, who: Principal, request: web.Request) -> Given:
    """`PUT /v1/admin/people/{id}/role`: at once on every hub, and told to the identity provider."""
    query(request, ())
    user_id = UserId(path_id(request, "id"))
    asked = await body(request, GiveRole)
    told = await roles.change(hub, who, user_id, asked.role, asked.reason.strip())
    return Given(user_id, asked.role, "done" if told else "pending")


async def find_people(hub: Hub, who: Principal, request: web.Request) -> FoundPeople:
    """`GET /v1/admin/people?query=`: by id or by e-mail address, exactly; asking is audited."""
    wanted = query(request, ("query",)).get("query", "").strip()
    if not 3 <= len(wanted) <= QUERY_MAX or "\0" in wanted:
        raise bad_request("query", "expected an id or an e-mail address")
    async with hub.pool.acquire() as connection, connection.transaction():
        people = await records.found(connection, wanted, limit=FOUND_MAX)
        await audit.append(
            connection,
            actor_id=who.user_id,
            actor_role=who.role,
            action="people_searched",
            # Never what was asked for: it may be the address of somebody who is not here.
            subject_id=people[0].id if people else None,
            session_id=None,
            detail={"found": len(people)},
            now_ms=hub.now_ms(),
        )
    told = [FoundPerson(one.id, one.role, one.name, one.email, one.created_at_ms) for one in people]
    return FoundPeople(told)


ROUTES = [
    Route("GET", "/v1/admin/people", FoundPeople, find_people),
    Route("PUT", "/v1/admin/people/{id}/role", Given, give_role, GiveRole),
]
