"""Reviews: written by guests, answered by practitioners, read by everybody signed in."""

import asyncio

from aiohttp import web
from msgspec import UNSET, UnsetType

from hub.edge.auth import Principal
from hub.edge.language import spoken
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.moderation.own_cases import require_foreign
from hub.reviews import posting, wording
from hub.routes.answer import Route, body, cursor, limit, not_found, path_id, query, why
from hub.safety import reports
from hub.safety.snapshots import Snapshot
from hub.wire_evidence import Reported
from hub.wire_reviews import (
    Answer,
    AnswerReview,
    ChangeReview,
    OwnAnswer,
    OwnReview,
    OwnReviews,
    ReportReview,
    Review,
    Reviews,
    Wording,
    Wordings,
    WriteReview,
)
from hub.words import Language
from rooms.ids import SessionId, UserId
from rooms.reviews import CHANGE_WITHIN_MS, signed
from store.postgres import audit, blocks
from store.postgres import reviews as rows
from store.postgres.pool import acting_as
from store.postgres.reviews import ReviewRecord, Shown, Version


async def write(hub: Hub, who: Principal, request: web.Request) -> OwnReview:
    """`POST /v1/sessions/{id}/reviews`: once a session, within 7 days, from four paid minutes on."""
    query(request, ())
    session_id, asked = SessionId(path_id(request, "id")), await body(request, WriteReview)
    language = _language(request)
    version = await posting.post(hub, who.user_id, session_id, asked.rating, asked.text, language)
    return await _own(hub, version.review_id, language)


async def change(hub: Hub, who: Principal, request: web.Request) -> OwnReview:
    """`PATCH /v1/reviews/{id}`: word it otherwise, within 14 days of the session."""
    query(request, ())
    review_id, asked = path_id(request, "id"), await body(request, ChangeReview)
    language = _language(request)
    await posting.change(hub, who.user_id, review_id, asked.version, asked.rating, asked.text, language)
    return await _own(hub, review_id, language)


async def own(hub: Hub, who: Principal, request: web.Request) -> OwnReviews:
    """`GET /v1/me/reviews`: what one wrote, the newest first."""
    given = query(request, ("cursor", "limit"))
    size = limit(given)
    async with acting_as(hub.pool, who.user_id) as connection:
        found = await rows.own_reviews(connection, before=cursor(given), limit=size)
    items = [await _own(hub, review.id, _language(request)) for review in found]
    return OwnReviews(items, items[-1].id if len(items) == size else None)


async def answer(hub: Hub, who: Principal, request: web.Request) -> OwnAnswer:
    """`POST /v1/reviews/{id}/answer`: the practitioner's, once; another text takes its place."""
    query(request, ())
    review_id, asked = path_id(request, "id"), await body(request, AnswerReview)
    version = await posting.answer(hub, who.user_id, review_id, asked.text, _language(request))
    return OwnAnswer(
        review_id=review_id,
        text=await wording.opened(hub.keyring, version.author_id, version.id, version.text),
        status=version.state,
        version=version.version,
        created_at_ms=version.created_at_ms,
        because=_because(version, _language(request)),
    )


async def listed(hub: Hub, who: Principal, request: web.Request) -> Reviews:
    """`GET /v1/practitioners/{id}/reviews`: what is shown, the newest first."""
    given = query(request, ("cursor", "limit"))
    size, practitioner_id = limit(given), UserId(path_id(request, "id"))
    hidden = await hub.blocks.of(who.user_id)
    if practitioner_id in hidden or not await rows.has_practice(hub.pool, practitioner_id):
        raise not_found()
    found = await rows.shown(hub.pool, practitioner_id, before=cursor(given), limit=size, hidden=hidden)
    told = await asyncio.gather(*(_told(hub, shown) for shown in found))
    items = [review for review in told if review is not None]
    return Reviews(items, found[-1].id if len(found) == size else None)


async def report(hub: Hub, who: Principal, request: web.Request) -> Reported:
    """`POST /v1/reviews/{id}/reports`: a moderator looks at it. The same again is the first one."""
    query(request, ())
    review_id, asked = path_id(request, "id"), await body(request, ReportReview)
    review = await rows.review(hub.pool, review_id)
    versions = [] if review is None else await rows.versions(hub.pool, review_id)
    shown = {one.part: one for one in versions if one.state == "published"}
    about = shown.get(asked.part)
    if review is None or about is None or "review" not in shown:
        raise not_found()
    if about.author_id == who.user_id:
        raise Refused(Code.BAD_REQUEST, "You can't report yourself.", fields={"part": "is your own"})
    if await blocks.is_between(hub.pool, who.user_id, review.author_id):
        raise not_found()
    snapshot = Snapshot(
        session_id=review.session_id,
        reporter_id=who.user_id,
        user_id=about.author_id,
        message_id=about.id,
        reason=asked.reason,
        note=asked.note,
        reported_at_ms=hub.now_ms(),
        messages=[],
        review_id=review_id,
        text=await wording.opened(hub.keyring, about.author_id, about.id, about.text),
    )

    async def complete() -> Snapshot:
        return snapshot

    return Reported(await reports.file_once(hub, who, snapshot, complete))


async def wordings(hub: Hub, who: Principal, request: web.Request) -> Wordings:
    """`GET /v1/moderation/reviews/{id}`: every wording, once who reads it is on record.

    An admin gives a `reason`.
    """
    reason = why(who, query(request, ("reason",)))
    review = await rows.review(hub.pool, path_id(request, "id"))
    if review is None:
        raise not_found()
    await require_foreign(hub.pool, who.user_id, review.session_id, review.author_id, review.practitioner_id)
    versions = await rows.versions(hub.pool, review.id)
    items = [
        Wording(
            id=one.id,
            part=one.part,
            version=one.version,
            user_id=one.author_id,
            rating=one.rating,
            text=await wording.opened(hub.keyring, one.author_id, one.id, one.text),
            status=one.state,
            created_at_ms=one.created_at_ms,
            decided_at_ms=one.decided_at_ms,
        )
        for one in versions
    ]
    async with hub.pool.acquire() as db, db.transaction():
        await audit.append(
            db,
            actor_id=who.user_id,
            actor_role=who.role,
            action="review_read",
            subject_id=review.author_id,
            session_id=review.session_id,
            detail={"review_id": review.id} if reason is None else {"review_id": review.id, "reason": reason},
            now_ms=hub.now_ms(),
        )
    return Wordings(review.id, review.session_id, items, None)


async def _own(hub: Hub, review_id: str, language: Language) -> OwnReview:
    review = await rows.review(hub.pool, review_id)
    versions = await rows.versions(hub.pool, review_id, "review")
    if review is None or not versions:
        raise not_found()
    return await _as_own(hub, review, versions, language)


async def _as_own(hub: Hub, review: ReviewRecord, versions: list[Version], language: Language) -> OwnReview:
    latest = versions[-1]
    return OwnReview(
        id=review.id,
        session_id=review.session_id,
        practitioner_id=review.practitioner_id,
        rating=latest.rating or 0,
        text=await wording.opened(hub.keyring, latest.author_id, latest.id, latest.text),
        status=latest.state,
        shown=any(one.state == "published" for one in versions),
        version=latest.version,
        created_at_ms=review.created_at_ms,
        changed_at_ms=latest.created_at_ms,
        change_until_ms=review.ended_at_ms + CHANGE_WITHIN_MS,
        because=_because(latest, language),
    )


async def _told(hub: Hub, shown: Shown) -> Review | None:
    """As everybody reads it; None once its author was erased."""
    text = await wording.opened(hub.keyring, shown.author_id, shown.text_id, shown.text)
    if text is None:
        return None
    said = None
    if shown.answer_id is not None and shown.answer_author_id is not None:
        said = await wording.opened(
            hub.keyring, shown.answer_author_id, shown.answer_id, shown.answer_text or b""
        )
    return Review(
        id=shown.id,
        author=signed(shown.author_name),
        rating=shown.rating,
        text=text,
        created_at_ms=shown.created_at_ms,
        changed_at_ms=shown.changed_at_ms if shown.version > 1 else None,
        answer=None if said is None else Answer(said, shown.answered_at_ms or 0),
    )


def _because(version: Version, language: Language) -> str | UnsetType:
    if version.state != "pending":
        return UNSET
    return wording.because(version.state, version.because, language)


def _language(request: web.Request) -> Language:
    return spoken(None, request.headers.get("Accept-Language", "")).language


ROUTES = [
    Route("POST", "/v1/sessions/{id}/reviews", OwnReview, write, WriteReview),
    Route("PATCH", "/v1/reviews/{id}", OwnReview, change, ChangeReview),
    Route("GET", "/v1/me/reviews", OwnReviews, own),
    Route("POST", "/v1/reviews/{id}/answer", OwnAnswer, answer, AnswerReview),
    Route("GET", "/v1/practitioners/{id}/reviews", Reviews, listed),
    Route("POST", "/v1/reviews/{id}/reports", Reported, report, ReportReview),
    Route("GET", "/v1/moderation/reviews/{id}", Wordings, wordings),
]
