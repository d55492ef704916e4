"""What was decided about oneself, and what one says against it; and how that is decided."""

from aiohttp import web

from hub.edge.auth import Principal
from hub.errors import Refused
from hub.hub import Hub
from hub.moderation import appealing
from hub.routes.answer import Route, bad_request, body, cursor, limit, path_id, query
from hub.routes.moderation import done, not_own, on_record
from hub.wire_moderation import (
    Appeal,
    AppealCase,
    AppealCases,
    AppealList,
    DecideAppeal,
    MakeAppeal,
    OwnDecision,
    OwnDecisions,
)
from rooms.errors import RoomError
from store.moderation_records import Appeal as Record
from store.moderation_records import OwnAppeal
from store.postgres import acts, appeals
from store.postgres.pool import acting_as
from store.privacy.bindings import appeal_aad

STATUSES = ("open", "upheld", "overruled")


async def make(hub: Hub, who: Principal, request: web.Request) -> Appeal:
    """`POST /v1/me/appeals`: against a decision about oneself, once, within a month."""
    query(request, ())
    asked = await body(request, MakeAppeal)
    return await _own(hub, await appealing.make(hub, who, asked))


async def own(hub: Hub, who: Principal, request: web.Request) -> AppealList:
    """`GET /v1/me/appeals`: what one said, and what came of it."""
    given = query(request, ("cursor", "limit"))
    size = limit(given)
    async with acting_as(hub.pool, who.user_id) as connection:
        found = await appeals.own_appeals(connection, before=cursor(given), limit=size)
    items = [await _own(hub, one) for one in found if _young(hub, one)]
    return AppealList(items, found[-1].id if len(found) == size else None)


async def decisions(hub: Hub, who: Principal, request: web.Request) -> OwnDecisions:
    """`GET /v1/me/actions`: what moderators decided about oneself."""
    given = query(request, ("cursor", "limit"))
    size = limit(given)
    async with acting_as(hub.pool, who.user_id) as connection:
        found = await acts.own_actions(connection, before=cursor(given), limit=size)
    items = [
        OwnDecision(
            id=one.id,
            action=one.action,
            reason=one.reason,
            session_id=one.session_id,
            until_ms=one.until_ms,
            created_at_ms=one.created_at_ms,
            undone=one.undone,
            appeal_by_ms=one.created_at_ms + hub.standards.appeal_ms,
        )
        for one in found
        if (one.action == "suspend" and one.until_ms is None and not one.undone)
        or hub.shows("moderation_actions", one.created_at_ms)
    ]
    return OwnDecisions(items, found[-1].id if len(found) == size else None)


async def listed(hub: Hub, who: Principal, request: web.Request) -> AppealCases:
    """`GET /v1/moderation/appeals`; `status` picks open ones, or those decided so. Not one's own."""
    given = query(request, ("status", "cursor", "limit"))
    status, size = given.get("status"), limit(given)
    if status is not None and status not in STATUSES:
        raise bad_request("status", f"expected one of {', '.join(STATUSES)}")
    found = await appeals.appeals(hub.pool, who.user_id, status=status, before=cursor(given), limit=size)
    young = [one for one in found if _young(hub, one)]
    told = [one for one in [await _case(hub, who, one) for one in young] if one is not None]
    if told:
        await on_record(hub, who, "appeals_listed", None, None, reason=None, count=len(told))
    return AppealCases(told, found[-1].id if len(found) == size else None)


async def decide(hub: Hub, who: Principal, request: web.Request) -> AppealCase:
    """`POST /v1/moderation/appeals/{id}/decide`: by another moderator than who made the decision."""
    query(request, ())
    appeal_id = path_id(request, "id")
    asked = await body(request, DecideAppeal)
    decided = await _case(hub, who, await appealing.decide(hub, who, appeal_id, asked))
    return not_own(decided)


async def _own(hub: Hub, appeal: Record | OwnAppeal) -> Appeal:
    text = await appealing.opened(hub, appeal.user_id, appeal_aad(appeal.id), appeal.text)
    return Appeal(
        id=appeal.id,
        action_id=appeal.action_id,
        text=text,
        status=appeal.status,
        created_at_ms=appeal.created_at_ms,
        decided_at_ms=appeal.decided_at_ms,
    )


def _young(hub: Hub, appeal: Record | OwnAppeal) -> bool:
    """An appeal that nobody has decided is never too old."""
    return appeal.status == "open" or hub.shows("appeals", appeal.created_at_ms)


async def _case(hub: Hub, who: Principal, appeal: Record) -> AppealCase | None:
    """An appeal with its decision, unless this moderator may not look into it."""
    action = await acts.action(hub.pool, appeal.action_id)
    if action is None:
        return None
    try:
        await appealing.require_second(hub.pool, action, who)
    except (Refused, RoomError):
        return None
    return AppealCase(
        id=appeal.id,
        status=appeal.status,
        text=await appealing.read_text(hub, appeal),
        action=await done(hub, action),
        created_at_ms=appeal.created_at_ms,
        decided_by=appeal.decided_by,
        decided_at_ms=appeal.decided_at_ms,
        note=await appealing.read_note(hub, appeal),
    )


ROUTES = [
    Route("POST", "/v1/me/appeals", Appeal, make, MakeAppeal),
    Route("GET", "/v1/me/appeals", AppealList, own),
    Route("GET", "/v1/me/actions", OwnDecisions, decisions),
    Route("GET", "/v1/moderation/appeals", AppealCases, listed),
    Route("POST", "/v1/moderation/appeals/{id}/decide", AppealCase, decide, DecideAppeal),
]
