"""Legal holds: an authority asked for something to be kept, and a copy of what there is at that moment is.

Only admins, never about themselves, always with a reason, and every reading is on record; the person is shown
who read, unless the authority forbids that they know.
"""

from typing import Annotated, Any

import uuid_utils
from aiohttp import web
from msgspec import Meta, Struct

from hub import wire
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.moderation.own_cases import require_foreign
from hub.routes.admin_words import Because, Reason
from hub.routes.answer import Route, bad_request, body, cursor, limit, not_found, path_id, query, why
from rooms.ids import SessionId, UserId
from rooms.safety.free_text import masked
from store.postgres import audit, people, sessions
from store.postgres import legal_holds as rows
from store.postgres.legal_holds import Hold
from store.postgres.pool import Db
from store.privacy import legal_holds
from store.privacy.legal_holds import DAY_MS, LONGEST_DAYS, REVIEW_MS, HoldTooLarge
from store.privacy.texts import REMOVED

OVER = frozenset({"declined", "expired", "cancelled", "ended", "settled"})
NUMBER_DIGITS = 6


class PlaceHold(wire.Body, frozen=True):
    """Of a session or of a person, for so many days at most. The same `request_id` places it once.

    `undisclosed_because`: the person may not know of it, and why not.
    """

    reason: Reason
    session_id: wire.Uuid | None = None
    user_id: wire.Uuid | None = None
    days: Annotated[int, Meta(ge=1, le=LONGEST_DAYS)] = LONGEST_DAYS
    undisclosed_because: Reason | None = None
    request_id: wire.Uuid | None = None


class LegalHoldView(Struct, frozen=True):
    """A hold. `pieces` can be read by their numbers, from 0, until it is over."""

    id: str
    user_id: str | None
    session_id: str | None
    reason: str
    disclosed: bool
    undisclosed_because: str | None
    placed_by: str
    placed_at_ms: int
    review_by_ms: int
    ends_at_ms: int
    pieces: int
    rows: int
    released_by: str | None
    released_at_ms: int | None


class LegalHolds(Struct, frozen=True):
    """A page of holds, the newest first."""

    items: list[LegalHoldView]
    cursor: str | None


class HeldRows(Struct, frozen=True):
    """One piece of a copy: rows of one table, as they were. None for what nobody could read even then."""

    hold: LegalHoldView
    piece: int
    table: str
    rows: list[dict[str, Any]]


async def place(hub: Hub, who: Principal, request: web.Request) -> LegalHoldView:
    """`PUT /v1/admin/legal-holds`: copy what there is now, and nothing that comes later."""
    query(request, ())
    asked = await body(request, PlaceHold)
    hold = await _asked(hub, who, asked)
    reason = asked.reason.strip()
    secret = None if asked.undisclosed_because is None else masked(asked.undisclosed_because.strip())
    if await rows.hold(hub.pool, hold.id) is None:
        # By itself and before: the chain has one end, which a transaction with a view of its own cannot find.
        async with hub.pool.acquire() as db, db.transaction():
            await _note(db, hub, who, "legal_hold_placed", hold, {"reason": reason})
        await _copy(hub, hold, reason, secret)
    standing = await _one(hub, who, hold.id)
    if (standing.subject_id, standing.session_id) != (hold.subject_id, hold.session_id):
        raise Refused(Code.CONFLICT, "This request_id placed another hold.")
    return await _view(hub, standing)


async def _copy(hub: Hub, hold: Hold, reason: str, undisclosed: str | None) -> None:
    try:
        async with hub.pool.acquire() as db, db.transaction(isolation="repeatable_read"):
            await legal_holds.place(db, hub.keyring, hold, reason, undisclosed)
    except HoldTooLarge:
        raise Refused(
            Code.TOO_LARGE, "One hold does not take so much; hold its sessions one by one."
        ) from None


async def _asked(hub: Hub, who: Principal, asked: PlaceHold) -> Hold:
    """The hold as it shall be. Raises Refused, OwnCase."""
    session_id = None if asked.session_id is None else SessionId(asked.session_id)
    user_id = None if asked.user_id is None else UserId(asked.user_id)
    state = None if session_id is None else await sessions.state(hub.pool, session_id)
    if user_id is not None and await people.person(hub.pool, user_id) is None:
        raise not_found()
    if (session_id is None) == (user_id is None):
        raise bad_request("session_id", "give either a session or a person")
    if session_id is not None and state is None:
        raise not_found()
    await require_foreign(hub.pool, who.user_id, session_id, *([] if user_id is None else [user_id]))
    if session_id is not None and state not in OVER:
        raise Refused(Code.CONFLICT, "The session is not over, and not on record yet.")
    now_ms = hub.now_ms()
    return Hold(
        id=asked.request_id or str(uuid_utils.uuid7()),
        subject_id=user_id,
        session_id=session_id,
        reason=None,
        disclosed=asked.undisclosed_because is None,
        undisclosed_reason=None,
        placed_by=who.user_id,
        placed_at_ms=now_ms,
        review_by_ms=now_ms + REVIEW_MS,
        ends_at_ms=now_ms + asked.days * DAY_MS,
        pieces=0,
        rows_held=0,
        released_by=None,
        released_at_ms=None,
    )


async def listed(hub: Hub, who: Principal, request: web.Request) -> LegalHolds:
    """`GET /v1/admin/legal-holds?reason=`: all but those that concern who asks."""
    given = query(request, ("reason", "cursor", "limit"))
    reason, size = why(who, given), limit(given)
    found = await rows.listed(hub.pool, who.user_id, before=cursor(given), limit=size)
    async with hub.pool.acquire() as db, db.transaction():
        await _note(db, hub, who, "legal_holds_listed", None, {"reason": reason})
    items = [await _view(hub, one) for one in found]
    return LegalHolds(items, items[-1].id if len(items) == size else None)


async def opened(hub: Hub, who: Principal, request: web.Request) -> HeldRows:
    """`GET /v1/admin/legal-holds/{id}?reason=&piece=`: one piece, opened; on record before a word is told."""
    given = query(request, ("reason", "piece"))
    reason, no = why(who, given), _number(given.get("piece", "0"))
    hold = await _one(hub, who, path_id(request, "id"))
    piece = await rows.piece(hub.pool, hold.id, no)
    content = None if piece is None else await legal_holds.opened(hub.keyring, piece)
    if piece is None or content is None:
        raise not_found()
    async with hub.pool.acquire() as db, db.transaction():
        await _note(db, hub, who, "legal_hold_read", hold, {"piece": no, "reason": reason})
    return HeldRows(await _view(hub, hold), no, piece.table_name, content)


async def review(hub: Hub, who: Principal, request: web.Request) -> LegalHoldView:
    """`POST /v1/admin/legal-holds/{id}/review`: it is still needed; asked again in a year."""
    hold, reason = await _because(hub, who, request)
    async with hub.pool.acquire() as db, db.transaction():
        if await rows.keep_on(db, hold.id, review_by_ms=hub.now_ms() + REVIEW_MS):
            await _note(db, hub, who, "legal_hold_reviewed", hold, {"reason": reason})
    return await _view(hub, await _one(hub, who, hold.id))


async def release(hub: Hub, who: Principal, request: web.Request) -> LegalHoldView:
    """`DELETE /v1/admin/legal-holds/{id}`: its key is destroyed, and no copy can be read. Harmless twice."""
    hold, reason = await _because(hub, who, request)
    now_ms = hub.now_ms()
    async with hub.pool.acquire() as db, db.transaction():
        if await legal_holds.release(db, hold, released_by=who.user_id, now_ms=now_ms):
            await _note(db, hub, who, "legal_hold_released", hold, {"reason": reason})
    return await _view(hub, await _one(hub, who, hold.id))


async def _because(hub: Hub, who: Principal, request: web.Request) -> tuple[Hold, str]:
    query(request, ())
    hold_id, because = path_id(request, "id"), await body(request, Because)
    return await _one(hub, who, hold_id), because.reason.strip()


async def _one(hub: Hub, who: Principal, hold_id: str) -> Hold:
    """A hold that is not about who asks. Raises Refused(not_found), OwnCase."""
    hold = await rows.hold(hub.pool, hold_id)
    if hold is None:
        raise not_found()
    about = () if hold.subject_id is None else (hold.subject_id,)
    await require_foreign(hub.pool, who.user_id, hold.session_id, *about)
    return hold


async def _note(
    db: Db, hub: Hub, who: Principal, action: str, hold: Hold | None, detail: dict[str, str | int | None]
) -> None:
    """On record. What may not be known of names the hold alone, so that no report of theirs shows it."""
    named = hold if hold is not None and hold.disclosed else None
    await audit.append(
        db,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_id=None if named is None else named.subject_id,
        session_id=None if named is None else named.session_id,
        detail={"hold": None if hold is None else hold.id, **detail},
        now_ms=hub.now_ms(),
        keyring=hub.keyring,
    )


async def _view(hub: Hub, hold: Hold) -> LegalHoldView:
    reason, undisclosed = await legal_holds.words(hub.keyring, hold)
    return LegalHoldView(
        id=hold.id,
        user_id=hold.subject_id,
        session_id=hold.session_id,
        reason=REMOVED if reason is None else reason,
        disclosed=hold.disclosed,
        undisclosed_because=undisclosed,
        placed_by=hold.placed_by,
        placed_at_ms=hold.placed_at_ms,
        review_by_ms=hold.review_by_ms,
        ends_at_ms=hold.ends_at_ms,
        pieces=hold.pieces,
        rows=hold.rows_held,
        released_by=hold.released_by,
        released_at_ms=hold.released_at_ms,
    )


def _number(given: str) -> int:
    if not (given.isascii() and given.isdigit() and len(given) <= NUMBER_DIGITS):
        raise bad_request("piece", "expected a number from 0")
    return int(given)


ROUTES = [
    Route("PUT", "/v1/admin/legal-holds", LegalHoldView, place, PlaceHold),
    Route("GET", "/v1/admin/legal-holds", LegalHolds, listed),
    Route("GET", "/v1/admin/legal-holds/{id}", HeldRows, opened),
    Route("POST", "/v1/admin/legal-holds/{id}/review", LegalHoldView, review, Because),
    Route("DELETE", "/v1/admin/legal-holds/{id}", LegalHoldView, release, Because),
]
