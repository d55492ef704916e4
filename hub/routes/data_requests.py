"""Requests about data that came by e-mail: an admin records them, and their time counts from when they
came.
"""

from typing import Annotated, Literal

import msgspec
import uuid_utils
from aiohttp import web
from msgspec import Meta

from hub import leaving, wire
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.routes.admin_words import Because, Reason
from hub.routes.answer import Route, bad_request, body, cursor, limit, not_found, path_id, query
from rooms.ids import UserId
from store.postgres import audit, erasures, people, roles
from store.postgres.erasures import DAY_MS, AccessRequest, Standing

Kind = Literal["erasure", "access"]
OLDEST_MS = 366 * DAY_MS
CLOCK_SKEW_MS = 60_000


class RecordRequest(wire.Body, frozen=True):
    """Who asked for what, when it came, and how it was made sure that it was they.

    Either `user_id` or `email`; the address is looked up and kept nowhere.
    """

    kind: Kind
    received_at_ms: Annotated[int, Meta(ge=1, le=2**53)]
    reason: Reason
    user_id: wire.Uuid | None = None
    email: Annotated[str, Meta(min_length=3, max_length=320)] | None = None


class DataRequest(msgspec.Struct, frozen=True):
    """One request. `day` is today's, counted from the first; `user_id` is None once somebody is erased."""

    id: str
    kind: Kind
    user_id: str | None
    source: str
    state: str
    waits_for: str | None
    received_at_ms: int
    due_by_ms: int
    day: int
    done_at_ms: int | None


class DataRequests(msgspec.Struct, frozen=True):
    """Requests, the newest first."""

    items: list[DataRequest]
    cursor: str | None


async def record(hub: Hub, who: Principal, request: web.Request) -> DataRequest:
    """`POST /v1/admin/data-requests`: on record with its reason; an erasure begins once its grace is over."""
    query(request, ())
    asked = await body(request, RecordRequest)
    now_ms = hub.now_ms()
    if not now_ms - OLDEST_MS <= asked.received_at_ms <= now_ms + CLOCK_SKEW_MS:
        raise bad_request("received_at_ms", "expected when it came, within the last year")
    user_id = await _who(hub, asked)
    if user_id == who.user_id:
        raise Refused(Code.FORBIDDEN, "Not your own: ask for yourself, or have another admin record it.")
    received_at_ms = min(asked.received_at_ms, now_ms)
    if asked.kind == "access":
        return await _access(hub, who, user_id, received_at_ms, asked.reason.strip())
    standing = await leaving.by_mail(
        hub, user_id, who, received_at_ms=received_at_ms, reason=asked.reason.strip()
    )
    return _erasure(standing, now_ms)


async def _who(hub: Hub, asked: RecordRequest) -> UserId:
    if (asked.user_id is None) == (asked.email is None):
        raise bad_request("user_id", "give either an id or an e-mail address")
    if asked.user_id is not None:
        there = await people.person(hub.pool, UserId(asked.user_id))
        if there is None or await erasures.nobody(hub.pool, there.id):
            raise not_found()
        return UserId(asked.user_id)
    found = await roles.found(hub.pool, str(asked.email).strip(), limit=2)
    if len(found) > 1:
        raise bad_request("email", "more than one person has this address; give an id")
    if not found:
        raise not_found()
    return found[0].id


async def _access(hub: Hub, who: Principal, user_id: UserId, received_at_ms: int, reason: str) -> DataRequest:
    request_id, now_ms = str(uuid_utils.uuid7()), hub.now_ms()
    async with hub.pool.acquire() as connection, connection.transaction():
        await erasures.request_access(
            connection,
            request_id=request_id,
            user_id=user_id,
            recorded_by=who.user_id,
            received_at_ms=received_at_ms,
        )
        await audit.append(
            connection,
            actor_id=who.user_id,
            actor_role=who.role,
            action="access_requested",
            subject_id=user_id,
            session_id=None,
            detail={"request": request_id, "reason": reason},
            now_ms=now_ms,
            keyring=hub.keyring,
        )
    return await _one_access(hub, request_id)


async def _one_access(hub: Hub, request_id: str) -> DataRequest:
    found = await erasures.access_request(hub.pool, request_id)
    if found is None:
        raise not_found()
    return _access_told(found, hub.now_ms())


async def answered(hub: Hub, who: Principal, request: web.Request) -> DataRequest:
    """`POST /v1/admin/data-requests/{id}/answer`: somebody was shown what there is; how, is on record."""
    query(request, ())
    request_id = path_id(request, "id")
    because = await body(request, Because)
    now_ms = hub.now_ms()
    async with hub.pool.acquire() as connection, connection.transaction():
        user_id = await erasures.answer_access(connection, request_id, answered_by=who.user_id, now_ms=now_ms)
        if user_id is not None:
            await audit.append(
                connection,
                actor_id=who.user_id,
                actor_role=who.role,
                action="access_answered",
                subject_id=user_id,
                session_id=None,
                detail={"request": request_id, "reason": because.reason.strip()},
                now_ms=now_ms,
                keyring=hub.keyring,
            )
    return await _one_access(hub, request_id)


async def listed(hub: Hub, _who: Principal, request: web.Request) -> DataRequests:
    """`GET /v1/admin/data-requests?kind=`: erasures, or who wants to see; `open=true` those not done."""
    given = query(request, ("kind", "open", "cursor", "limit"))
    kind, only_open = given.get("kind", "erasure"), given.get("open", "false")
    if kind not in ("erasure", "access"):
        raise bad_request("kind", "expected erasure or access")
    if only_open not in ("true", "false"):
        raise bad_request("open", "expected true or false")
    size, before, now_ms = limit(given), cursor(given), hub.now_ms()
    wanted = only_open == "true"
    if kind == "erasure":
        found = await erasures.listed(hub.pool, only_open=wanted, before=before, limit=size)
        items = [_erasure(one, now_ms) for one in found]
    else:
        asked = await erasures.access_requests(hub.pool, only_open=wanted, before=before, limit=size)
        items = [_access_told(one, now_ms) for one in asked]
    return DataRequests(items, items[-1].id if len(items) == size else None)


def _day(received_at_ms: int, now_ms: int) -> int:
    return max(0, now_ms - received_at_ms) // DAY_MS + 1


def _erasure(one: Standing, now_ms: int) -> DataRequest:
    return DataRequest(
        one.receipt,
        "erasure",
        one.user_id,
        one.source,
        one.state,
        one.waits_for,
        one.received_at_ms,
        one.due_by_ms,
        _day(one.received_at_ms, one.done_at_ms or now_ms),
        one.done_at_ms,
    )


def _access_told(one: AccessRequest, now_ms: int) -> DataRequest:
    return DataRequest(
        one.id,
        "access",
        one.user_id,
        "email",
        "requested" if one.answered_at_ms is None else "done",
        None,
        one.received_at_ms,
        one.due_by_ms,
        _day(one.received_at_ms, one.answered_at_ms or now_ms),
        one.answered_at_ms,
    )


ROUTES = [
    Route("POST", "/v1/admin/data-requests", DataRequest, record, RecordRequest),
    Route("GET", "/v1/admin/data-requests", DataRequests, listed),
    Route("POST", "/v1/admin/data-requests/{id}/answer", DataRequest, answered, Because),
]
