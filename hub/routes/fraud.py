"""What admins see of suspected fraud, and decide: a rule points, a person judges."""

from collections import defaultdict
from typing import Any, Final, Literal, get_args

import msgspec
from aiohttp import web
from msgspec import Struct

from billing.fraud import SubjectKind
from hub import wire
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.routes.admin_words import Reason
from hub.routes.answer import Route, bad_request, body, cursor, limit, not_found, path_id, query
from rooms.ids import UserId
from store.postgres import admin as records
from store.postgres import fraud, payouts
from store.postgres.fraud import ReviewedFinding, ReviewState
from store.privacy import texts
from store.privacy.bindings import fraud_review_aad

Decision = Literal["clear", "hold_payouts", "release_payouts"]

BECOMES: Final[dict[Decision, ReviewState]] = {
    "clear": "cleared",
    "hold_payouts": "held",
    "release_payouts": "released",
}
FINDINGS_MAX: Final = 50
"""Findings that are shown of one review, the first ones."""


class Decide(wire.Body, frozen=True):
    """`hold_payouts` keeps the practitioner's transfers back until somebody releases them."""

    decision: Decision
    reason: Reason


class Finding(Struct, frozen=True):
    """Why: which rule fired when, in words and as facts."""

    rule: str
    version: int
    at_ms: int
    weight: int
    reason: str
    facts: dict[str, Any]


class Review(Struct, frozen=True):
    """Something that live rules found. `subject` is an id, of the kind that `subject_kind` says."""

    id: str
    subject_kind: SubjectKind
    subject: str
    state: ReviewState
    opened_at_ms: int
    decided_by: str | None
    decided_at_ms: int | None
    reason: str | None
    findings: list[Finding]


class Reviews(Struct, frozen=True):
    """A page of reviews, the newest first."""

    items: list[Review]
    cursor: str | None


async def reviews(hub: Hub, who: Principal, request: web.Request) -> Reviews:
    """`GET /v1/admin/fraud`; `state` picks those that are open, cleared, held or released."""
    given = query(request, ("state", "cursor", "limit"))
    size = limit(given)
    found = await fraud.reviews(hub.pool, state=_state(given), before=cursor(given), limit=size)
    # What nobody has decided, or holds something, is never too old.
    young = [
        one for one in found if one.state in ("open", "held") or hub.shows("fraud_reviews", one.opened_at_ms)
    ]
    return Reviews(await _told(hub, young), found[-1].id if len(found) == size else None)


async def decide(hub: Hub, who: Principal, request: web.Request) -> Review:
    """`POST /v1/admin/fraud/{id}/decide`: nobody decides about themselves, or where no live rule fired."""
    query(request, ())
    review_id = path_id(request, "id")
    asked = await body(request, Decide)
    async with hub.pool.acquire() as connection, connection.transaction():
        review = await fraud.lock_review(connection, review_id)
        if review is None:
            raise not_found()
        _check(who, review, await fraud.findings(connection, [review_id], each=FINDINGS_MAX), asked.decision)
        if review.subject_kind == "practitioner":
            # A transfer that is about to go takes the same lock: it goes before the decision, or waits.
            await payouts.lock_account(connection, UserId(review.subject))
        reason, state = asked.reason.strip(), BECOMES[asked.decision]
        about = review.subject if review.subject_kind in ("person", "practitioner") else None
        sealed = await texts.sealed_for(
            hub.keyring, connection, about or who.user_id, fraud_review_aad(review_id), reason
        )
        decided = await fraud.decide_review(
            connection, review_id, state, admin_id=who.user_id, reason=sealed, now_ms=hub.now_ms()
        )
        if decided is None:
            raise Refused(Code.CONFLICT, f"This review is {review.state}.")
        await records.note_action(
            connection,
            who.user_id,
            f"fraud_{asked.decision}",
            subject=review_id,
            session_id=None,
            reason=reason,
            # What is noted here stays for ever, so it names neither a person nor a card; the review does.
            detail={"about": review.subject_kind},
            now_ms=hub.now_ms(),
            keyring=hub.keyring,
            about=about,
        )
    [told] = await _told(hub, [decided])
    return told


def _check(who: Principal, review: fraud.Review, found: list[ReviewedFinding], decision: Decision) -> None:
    concerned = {review.subject}
    for one in found:
        concerned.add(str(one.facts.get("guest", "")))
        people = one.facts.get("people")
        concerned.update(people if isinstance(people, list) else ())
    if who.user_id in concerned:
        raise Refused(Code.FORBIDDEN, "Nobody decides about themselves.")
    if decision != "clear" and review.subject_kind != "practitioner":
        raise Refused(Code.CONFLICT, "Only a practitioner has payouts to hold.")


async def _told(hub: Hub, found: list[fraud.Review]) -> list[Review]:
    """Reviews in the words of the contract, with what fired for them."""
    fired: dict[str, list[Finding]] = defaultdict(list)
    for one in await fraud.findings(hub.pool, [review.id for review in found], each=FINDINGS_MAX):
        fired[one.review_id].append(msgspec.convert(one, Finding, from_attributes=True))
    return [
        Review(
            one.id,
            one.subject_kind,
            one.subject,
            one.state,
            one.opened_at_ms,
            one.decided_by,
            one.decided_at_ms,
            await _reason(hub, one),
            fired[one.id],
        )
        for one in found
    ]


async def _reason(hub: Hub, one: fraud.Review) -> str | None:
    if one.decided_by is None:
        return None
    return await texts.shown(hub.keyring, one.reason_of, fraud_review_aad(one.id), one.reason)


def _state(given: dict[str, str]) -> ReviewState | None:
    value = given.get("state")
    if value is None:
        return None
    for state in get_args(ReviewState):
        if value == state:
            return state  # type: ignore[no-any-return]
    raise bad_request("state", f"expected one of {', '.join(get_args(ReviewState))}")


ROUTES = [
    Route("GET", "/v1/admin/fraud", Reviews, reviews),
    Route("POST", "/v1/admin/fraud/{id}/decide", Review, decide, Decide),
]
