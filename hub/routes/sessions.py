"""Sessions as their people look back on them: history, one session, its transcript, its receipt."""

import secrets
from collections.abc import AsyncIterator

import msgspec
from aiohttp import web

from hub import views, wire
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.routes import replies, transcripts
from hub.routes.answer import Route, bad_request, cursor, limit, not_found, path_id, query
from hub.routes.receipt_page import receipt_page
from hub.routes.replies import Receipt, Sessions, Transcript
from hub.routes.transcripts import Page
from rooms.ids import SessionId
from store import records
from store.postgres import sessions, settlements
from store.postgres.pool import acting_as


async def history(hub: Hub, who: Principal, request: web.Request) -> Sessions:
    """`GET /v1/me/sessions`: the newest first."""
    given = query(request, ("cursor", "limit"))
    size, before = limit(given), cursor(given)
    async with acting_as(hub.pool, who.user_id) as connection:
        found = await sessions.history(
            connection,
            who.user_id,
            before=None if before is None else SessionId(before),
            limit=size,
            younger_ms=hub.ages.shown_after_ms("sessions", hub.now_ms()),
        )
    items = [await _latest(hub, record) for record in found]
    return Sessions(items, items[-1].id if len(items) == size else None)


async def one_session(hub: Hub, who: Principal, request: web.Request) -> wire.Session:
    """`GET /v1/sessions/{id}`."""
    query(request, ())
    return await _latest(hub, await _record(hub, who, request))


async def _record(hub: Hub, who: Principal, request: web.Request) -> records.SessionRecord:
    """The session of the path, if who asks took part in it. Raises Refused(not_found)."""
    session_id = SessionId(path_id(request, "id"))
    async with acting_as(hub.pool, who.user_id) as connection:
        record = await sessions.session(connection, session_id)
    if record is None or not hub.shows("sessions", record.requested_at_ms):
        raise not_found()
    return record


async def _latest(hub: Hub, record: records.SessionRecord) -> wire.Session:
    """The session as it stands: on record once that is final, in the live store until then."""
    if not record.complete and (loaded := await hub.live.rooms.load(record.id)) is not None:
        return views.session(loaded.room)
    return replies.session(record)


async def transcript(hub: Hub, who: Principal, request: web.Request) -> web.StreamResponse:
    """`GET /v1/sessions/{id}/transcript`: streamed, so that the longest session fits in little memory."""
    query(request, ())
    record = await _record(hub, who, request)
    if record.transcript_head is not None:
        pages = transcripts.recorded(hub, who, record.id)
        return await _stream(request, record.id, pages, record.transcript_head)
    loaded = await hub.live.rooms.load(record.id)
    if loaded is None:
        raise Refused(Code.CONFLICT, "The session has no transcript yet; try again in a moment.")
    opened, head = await transcripts.running(hub, who, loaded.room, loaded.seq)
    return await _stream(request, record.id, _each(opened), head)


async def _each(pages: list[Page]) -> AsyncIterator[Page]:
    for page in pages:
        yield page


async def _stream(
    request: web.Request, session_id: SessionId, pages: AsyncIterator[Page], head: bytes
) -> web.StreamResponse:
    """`{"session_id", "messages", "head"}`, the messages a page at a time."""
    response = web.StreamResponse(
        headers={"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}
    )
    # The first page before the headers: what fails until then can still be answered with an error.
    first: Page = await anext(pages, [])
    await response.prepare(request)
    await response.write(b'{"session_id":%s,"messages":[' % msgspec.json.encode(session_id))
    await response.write(b",".join(map(msgspec.json.encode, first)))
    async for page in pages:
        await response.write(b"," + b",".join(map(msgspec.json.encode, page)))
    await response.write(b'],"head":%s}' % msgspec.json.encode(head.hex()))
    await response.write_eof()
    return response


async def receipt(hub: Hub, who: Principal, request: web.Request) -> Receipt | web.StreamResponse:
    """`GET /v1/sessions/{id}/receipt`, or with `?format=html` as a page to print."""
    form = query(request, ("format",)).get("format", "json")
    if form not in ("json", "html"):
        raise bad_request("format", "expected json or html")
    session_id = SessionId(path_id(request, "id"))
    async with acting_as(hub.pool, who.user_id) as connection:
        bill = await settlements.receipt(connection, session_id)
        record = await sessions.session(connection, session_id)
    if record is None or not hub.shows("sessions", record.requested_at_ms):
        raise not_found()
    if bill is None:
        raise Refused(Code.CONFLICT, "The session is not settled yet.")
    reply = replies.receipt(bill, for_practitioner=who.user_id == bill.practitioner_id)
    return reply if form == "json" else _page(reply)


def _page(reply: Receipt) -> web.Response:
    nonce = secrets.token_urlsafe(16)
    return web.Response(
        text=receipt_page(reply, nonce=nonce),
        content_type="text/html",
        charset="utf-8",
        headers={
            "Cache-Control": "no-store",
            "Content-Security-Policy": f"default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        },
    )


ROUTES = [
    Route("GET", "/v1/me/sessions", Sessions, history),
    Route("GET", "/v1/sessions/{id}", wire.Session, one_session),
    Route("GET", "/v1/sessions/{id}/transcript", Transcript, transcript),
    Route("GET", "/v1/sessions/{id}/receipt", Receipt, receipt),
]
