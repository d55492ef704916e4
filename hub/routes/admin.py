"""What admins do with money: refunds, disputes, cases. Whatever they change is on record with its reason."""

import re
from typing import TypeVar

import msgspec
from aiohttp import web

from billing import payment
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.money import refunding, retrying
from hub.routes.admin_words import (
    Action,
    Actions,
    AskRefund,
    Because,
    Case,
    Cases,
    Dispute,
    Disputes,
    Operation,
    Operations,
    Refund,
    Refunds,
)
from hub.routes.answer import Route, bad_request, body, cursor, limit, not_found, path_id, query
from rooms.ids import SessionId, UserId
from store import money_records
from store.postgres import admin as records
from store.postgres import disputes
from store.postgres import operations as operation_records
from store.postgres import refunds as refund_records

STATES = ("pending_approval", "approved", "rejected", "done", "failed")
ID = re.compile(r"[A-Za-z0-9_]{1,255}")
NUMBER = re.compile(r"[0-9]{1,18}")


async def ask_refund(hub: Hub, who: Principal, request: web.Request) -> Refund:
    """`POST /v1/admin/refunds`: at once, or once a second admin approves."""
    query(request, ())
    asked = await body(request, AskRefund)
    made = await refunding.ask(
        hub,
        who,
        SessionId(asked.session_id),
        user_id=None if asked.user_id is None else UserId(asked.user_id),
        amount_minor=asked.amount_minor,
        reason=asked.reason.strip(),
        request_id=asked.request_id,
    )
    return await _refund(hub, made)


async def refunds(hub: Hub, who: Principal, request: web.Request) -> Refunds:
    """`GET /v1/admin/refunds`; `state` picks those in one state."""
    given = query(request, ("state", "cursor", "limit"))
    state, size = given.get("state"), limit(given)
    if state is not None and state not in STATES:
        raise bad_request("state", f"expected one of {', '.join(STATES)}")
    found = await refund_records.refunds(hub.pool, state=state, before=cursor(given), limit=size)
    items = [await _refund(hub, one) for one in found]
    return Refunds(items, items[-1].id if len(items) == size else None)


async def approve_refund(hub: Hub, who: Principal, request: web.Request) -> Refund:
    """`POST /v1/admin/refunds/{id}/approve`, by another admin than who asked."""
    query(request, ())
    return await _refund(hub, await refunding.approve(hub, who, path_id(request, "id")))


async def reject_refund(hub: Hub, who: Principal, request: web.Request) -> Refund:
    """`POST /v1/admin/refunds/{id}/reject`, by any admin."""
    query(request, ())
    refund_id = path_id(request, "id")
    because = await body(request, Because)
    return await _refund(hub, await refunding.reject(hub, who, refund_id, because.reason.strip()))


async def list_disputes(hub: Hub, who: Principal, request: web.Request) -> Disputes:
    """`GET /v1/admin/disputes`; `open=true` those that no bank has decided yet."""
    given = query(request, ("open", "cursor", "limit"))
    size = limit(given)
    found = await disputes.disputes(hub.pool, only_open=_flag(given), before=_matching(given, ID), limit=size)
    items = [_told(one, Dispute) for one in found]
    return Disputes(items, items[-1].id if len(items) == size else None)


async def cases(hub: Hub, who: Principal, request: web.Request) -> Cases:
    """`GET /v1/admin/cases`; `open=true` those that nobody has closed."""
    given = query(request, ("open", "cursor", "limit"))
    size = limit(given)
    found = await records.cases(hub.pool, only_open=_flag(given), before=cursor(given), limit=size)
    young = [one for one in found if one.closed_at_ms is None or hub.shows("cases", one.created_at_ms)]
    return Cases([_told(one, Case) for one in young], found[-1].id if len(found) == size else None)


async def close_case(hub: Hub, who: Principal, request: web.Request) -> Case:
    """`POST /v1/admin/cases/{id}/close`: somebody has looked at it, and says what came of it."""
    query(request, ())
    case_id = path_id(request, "id")
    because = await body(request, Because)
    async with hub.pool.acquire() as connection, connection.transaction():
        closed = await records.close_case(connection, case_id, now_ms=hub.now_ms())
        if closed is None:
            known = await records.one_case(connection, case_id)
            if known is None:
                raise Refused(Code.NOT_FOUND, "There is no such case.")
            return _told(known, Case)
        await records.note_action(
            connection,
            who.user_id,
            "case_closed",
            subject=closed.id,
            session_id=closed.session_id,
            reason=because.reason.strip(),
            detail={"kind": closed.kind},
            now_ms=hub.now_ms(),
            keyring=hub.keyring,
        )
    return _told(closed, Case)


async def session_operations(hub: Hub, who: Principal, request: web.Request) -> Operations:
    """`GET /v1/admin/sessions/{id}/operations`: every call to Stripe for a session, and what came of it."""
    query(request, ())
    session_id = SessionId(path_id(request, "id"))
    known = await operation_records.operations(hub.pool, session_id)
    return Operations([_operation(one, known) for one in known])


async def retry_operation(hub: Hub, who: Principal, request: web.Request) -> Operation:
    """`POST /v1/admin/operations/{number}/retry`: want once more what failed at Stripe for good."""
    query(request, ())
    number = request.match_info["number"]
    if NUMBER.fullmatch(number) is None:
        raise not_found()
    because = await body(request, Because)
    again = await retrying.retry(hub, who, int(number), because.reason.strip())
    return _operation(again, [])


async def actions(hub: Hub, who: Principal, request: web.Request) -> Actions:
    """`GET /v1/admin/actions`: who did what, and why."""
    given = query(request, ("cursor", "limit"))
    size = limit(given)
    before = _matching(given, NUMBER)
    found = await records.actions(hub.pool, before=None if before is None else int(before), limit=size)
    items = [await _action(hub, one) for one in found]
    return Actions(items, str(items[-1].id) if len(items) == size else None)


async def _refund(hub: Hub, one: money_records.Refund) -> Refund:
    reason = await refunding.reason_of(hub, one)
    return Refund(
        id=one.id,
        session_id=one.session_id,
        participant_no=one.participant_no,
        amount_minor=one.amount_minor,
        currency=one.currency,
        reason=reason,
        state=one.state,
        requested_by=one.requested_by,
        decided_by=one.decided_by,
        created_at_ms=one.created_at_ms,
        decided_at_ms=one.decided_at_ms,
    )


async def _action(hub: Hub, one: money_records.AdminAction) -> Action:
    reason = await records.reason_of(hub.keyring, one)
    return Action(
        one.id, one.admin_id, one.action, one.subject, one.session_id, reason, one.detail, one.at_ms
    )


def _operation(one: payment.Operation, known: list[payment.Operation]) -> Operation:
    outcome = one.outcome
    return Operation(
        id=one.id,
        session_id=one.session_id,
        participant_no=one.participant_no,
        kind=one.kind.value,
        ordinal=one.ordinal,
        attempt=one.attempt,
        amount_minor=one.amount_minor,
        currency=one.currency,
        state=one.state.value,
        status=None if outcome is None else outcome.status,
        code=None if outcome is None else outcome.code,
        stripe_id=one.stripe_id,
        created_at_ms=one.created_at_ms,
        next_at_ms=one.next_at_ms,
        may_retry=retrying.may_retry(one, known),
    )


T = TypeVar("T", bound=msgspec.Struct)


def _told(record: msgspec.Struct, kind: type[T]) -> T:
    """A record in the words of the contract: the fields that it names, and no other."""
    return msgspec.convert(record, kind, from_attributes=True)


def _flag(given: dict[str, str]) -> bool:
    value = given.get("open", "false")
    if value not in ("true", "false"):
        raise bad_request("open", "expected true or false")
    return value == "true"


def _matching(given: dict[str, str], pattern: re.Pattern[str]) -> str | None:
    value = given.get("cursor")
    if value is not None and pattern.fullmatch(value) is None:
        raise bad_request("cursor", "not one of ours")
    return value


ROUTES = [
    Route("POST", "/v1/admin/refunds", Refund, ask_refund, AskRefund),
    Route("GET", "/v1/admin/refunds", Refunds, refunds),
    Route("POST", "/v1/admin/refunds/{id}/approve", Refund, approve_refund),
    Route("POST", "/v1/admin/refunds/{id}/reject", Refund, reject_refund, Because),
    Route("GET", "/v1/admin/disputes", Disputes, list_disputes),
    Route("GET", "/v1/admin/cases", Cases, cases),
    Route("POST", "/v1/admin/cases/{id}/close", Case, close_case, Because),
    Route("GET", "/v1/admin/sessions/{id}/operations", Operations, session_operations),
    Route("POST", "/v1/admin/operations/{number}/retry", Operation, retry_operation, Because),
    Route("GET", "/v1/admin/actions", Actions, actions),
]
