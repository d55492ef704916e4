"""Who wants to be a practitioner, and what an admin decides."""

from typing import Literal

import msgspec
from aiohttp import web

from hub import wire
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.routes.answer import Route, bad_request, body, cursor, limit, not_found, path_id, query
from store.postgres import admin, practices
from store.privacy import applying, texts
from store.privacy.bindings import application_reason_aad

STATES = ("pending", "approved", "rejected", "done")


class Decide(wire.Body, frozen=True):
    """The decision, and why."""

    decision: Literal["approve", "reject"]
    reason: wire.FreeText


class Application(msgspec.Struct, frozen=True):
    """A guest's wish to be a practitioner. `approved` becomes `done` once their role is set."""

    id: str
    person: wire.Named
    email: str
    headline: str
    about: str | None
    topics: list[str]
    rate_minor_per_minute: int
    currency: str
    state: practices.State
    created_at_ms: int
    decided_by: str | None
    decided_at_ms: int | None
    reason: str | None


class Applications(msgspec.Struct, frozen=True):
    """A page of applications, the newest first."""

    items: list[Application]
    cursor: str | None


async def applications(hub: Hub, _who: Principal, request: web.Request) -> Applications:
    """`GET /v1/admin/applications`; `state` picks those in one state."""
    given = query(request, ("state", "cursor", "limit"))
    state, size = given.get("state"), limit(given)
    if state is not None and state not in STATES:
        raise bad_request("state", f"expected one of {', '.join(STATES)}")
    found = await practices.applications(hub.pool, state=state, before=cursor(given), limit=size)
    items = [await _told(hub, one) for one in found]
    return Applications(items, items[-1].id if len(items) == size else None)


async def decide(hub: Hub, who: Principal, request: web.Request) -> Application:
    """`POST /v1/admin/applications/{id}/decide`: once; the same again is answered the same."""
    query(request, ())
    application_id = path_id(request, "id")
    asked = await body(request, Decide)
    decision: practices.Decision = "approved" if asked.decision == "approve" else "rejected"
    found = await practices.application(hub.pool, application_id)
    if found is None:
        raise not_found()
    if found.person_id == who.user_id:
        raise Refused(Code.FORBIDDEN, "Not your own; ask another admin.")
    await _commit(hub, who, found, decision, asked.reason)
    decided = await practices.application(hub.pool, application_id)
    if decided is None:
        raise not_found()
    if (decided.state == "rejected") != (decision == "rejected"):
        raise Refused(Code.CONFLICT, "This was decided otherwise meanwhile.")
    return await _told(hub, decided)


async def _commit(
    hub: Hub, who: Principal, found: practices.Application, decision: practices.Decision, reason: str
) -> None:
    now_ms = hub.now_ms()
    wanted = await applying.opened(hub.keyring, found)
    async with hub.pool.acquire() as connection, connection.transaction():
        sealed = await texts.sealed_for(
            hub.keyring, connection, found.person_id, application_reason_aad(found.id), reason
        )
        decided = await practices.decide(
            connection, found.id, decision, admin_id=who.user_id, reason=sealed, now_ms=now_ms
        )
        if not decided:
            return
        if decision == "approved":
            if wanted.offered is None:
                raise Refused(Code.CONFLICT, "Who applied is being removed.")
            await practices.begin_practice(connection, found.person_id, wanted.offered)
        await admin.note_action(
            connection,
            who.user_id,
            f"application_{decision}",
            subject=found.id,
            session_id=None,
            reason=reason,
            detail={},
            now_ms=now_ms,
            keyring=hub.keyring,
            about=found.person_id,
        )


async def _told(hub: Hub, found: practices.Application) -> Application:
    told = await applying.opened(hub.keyring, found)
    offered = told.offered
    return Application(
        id=found.id,
        person=wire.Named(found.person_id, found.name),
        email=found.email,
        headline=texts.REMOVED if offered is None else offered.headline,
        about=told.about,
        topics=[] if offered is None else offered.topics,
        rate_minor_per_minute=found.rate_minor_per_minute,
        currency=found.currency,
        state=found.state,
        created_at_ms=found.created_at_ms,
        decided_by=found.decided_by,
        decided_at_ms=found.decided_at_ms,
        reason=told.reason,
    )


ROUTES = [
    Route("GET", "/v1/admin/applications", Applications, applications),
    Route("POST", "/v1/admin/applications/{id}/decide", Application, decide, Decide),
]
