"""`/v1/me` and the directory of practitioners."""

from aiohttp import web
from msgspec.structs import replace

from hub import wire
from hub.bookings import offering
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.money.deal import practitioner
from hub.routes.answer import Route, bad_request, cursor, limit, not_found, path_id, query
from hub.routes.replies import Me, Practitioners
from rooms.age import is_adult
from rooms.ids import UserId
from store.postgres import avatars, people
from store.postgres.pool import acting_as
from store.privacy.tombstones import buried
from store.records import Person


async def me(hub: Hub, who: Principal, request: web.Request) -> Me:
    """`GET /v1/me`: one's profile, made when it is first asked for."""
    query(request, ())
    return await told(hub, await own_profile(hub, who))


async def own_profile(hub: Hub, who: Principal) -> Person:
    """One's profile on record, made if it is not there yet."""
    own = await _profile(hub, who.user_id)
    if own is None or own.role != who.role:
        if own is None and await buried(hub.pool, hub.keyring, who.user_id):
            raise Refused(Code.UNAUTHENTICATED, "This sign-in was ended.")
        await people.ensure(
            hub.pool,
            person_id=who.user_id,
            role=who.role,
            name=who.name,
            email=who.email,
            now_ms=hub.now_ms(),
        )
        own = await _profile(hub, who.user_id)
    if own is None:
        raise not_found()
    return own


async def told(hub: Hub, own: Person) -> Me:
    """A profile in the words of the contract."""
    picture = await avatars.avatar(hub.pool, own.id, size=avatars.LARGE)
    return Me(
        id=own.id,
        role=own.role,
        name=own.name,
        email=own.email,
        country=own.country,
        avatar_url=None if picture is None else f"/v1/people/{own.id}/avatar",
        phone=own.phone,
        adult=is_adult(attested=own.adult, born_on=own.born_on, now_ms=hub.now_ms()),
        version=own.version,
        language=own.language,
        born_on=own.born_on,
    )


async def _profile(hub: Hub, user_id: UserId) -> Person | None:
    async with acting_as(hub.pool, user_id) as connection:
        return await people.own_profile(connection)


async def practitioners(hub: Hub, who: Principal, request: web.Request) -> Practitioners:
    """`GET /v1/practitioners`: verified ones, with how they stand now; `online=true` those free now."""
    given = query(request, ("online", "topic", "cursor", "limit"))
    online = given.get("online", "false")
    if online not in ("true", "false"):
        raise bad_request("online", "expected true or false")
    size, after = limit(given), cursor(given)
    ids = await _free_now(hub) if online == "true" else None
    hidden = await hub.blocks.of(who.user_id)
    async with acting_as(hub.pool, who.user_id) as connection:
        listings = await people.directory(
            connection,
            limit=size,
            ids=ids,
            topic=given.get("topic"),
            after=None if after is None else UserId(after),
        )
    statuses = await hub.directory.statuses([listing.id for listing in listings])
    items = [practitioner(listing, statuses[listing.id]) for listing in listings if listing.id not in hidden]
    return Practitioners(items, listings[-1].id if len(listings) == size else None)


async def _free_now(hub: Hub) -> list[UserId]:
    statuses = await hub.directory.statuses(await hub.directory.not_offline())
    return [user_id for user_id, status in statuses.items() if status == "online"]


async def one_practitioner(hub: Hub, who: Principal, request: web.Request) -> wire.Practitioner:
    """`GET /v1/practitioners/{id}`."""
    query(request, ())
    user_id = UserId(path_id(request, "id"))
    async with acting_as(hub.pool, who.user_id) as connection:
        listings = await people.directory(connection, ids=[user_id], limit=1)
    if not listings or user_id in await hub.blocks.of(who.user_id):
        raise not_found()
    statuses = await hub.directory.statuses([user_id])
    shown = practitioner(listings[0], statuses[user_id])
    return replace(shown, next_slot_at_ms=await offering.next_slot_ms(hub, user_id))


ROUTES = [
    Route("GET", "/v1/me", Me, me),
    Route("GET", "/v1/practitioners", Practitioners, practitioners),
    Route("GET", "/v1/practitioners/{id}", wire.Practitioner, one_practitioner),
]
