"""Writing a review, wording it otherwise, answering it. The same again gives the same answer.

whose session → was it paid → judged by the rules → review, wording, rating and case in one transaction → told
"""

from collections.abc import Awaitable, Callable
from typing import Final

import uuid_utils

from hub.errors import Code, Refused
from hub.hub import Hub
from hub.moderation import flagging
from hub.reviews import rating, wording
from hub.reviews.wording import Judged, Wording
from hub.routes.answer import bad_request
from hub.safety.distress import care
from hub.words import Language
from rooms import reviews as rules
from rooms.errors import NotFound
from rooms.ids import SessionId, UserId
from rooms.reviews import Unfit, UnfitText
from store.postgres import blocks
from store.postgres import reviews as rows
from store.postgres.pool import Transacting
from store.postgres.reviews import ReviewRecord, Version

UNFIT: Final[dict[Unfit, tuple[Code, str]]] = {
    "unsettled": (Code.CONFLICT, "A review can be written once the session is over and settled."),
    "unpaid": (Code.CONFLICT, "Only a session that was paid for can be reviewed."),
    "short": (Code.CONFLICT, "A session can be reviewed from four paid minutes on."),
    "late": (Code.EXPIRED, "A review can be written within 7 days of the session."),
}
Decide = Callable[[Transacting, list[Version]], Awaitable[Wording | None]]
"""With the review locked: the wording to add, or None when it stands already."""


async def post(
    hub: Hub, who: UserId, session_id: SessionId, stars: int, text: str, language: Language
) -> Version:
    """A guest's review of a session, in its first wording; of the same again, its latest one.

    Raises NotFound for who was no guest of it, Refused: `conflict`, `expired`, `bad_request`, `rate_limited`.
    """
    part = await rows.attended(hub.pool, session_id, who)
    if part is None:
        raise NotFound
    wanted = _fit(text)
    known = await rows.of_session(hub.pool, session_id, who)
    if known is not None:
        return await _again(hub, known, stars, wanted)
    now_ms = hub.now_ms()
    why_not = rules.unfit(part, now_ms=now_ms)
    if why_not is not None or part.ended_at_ms is None:
        code, said = UNFIT[why_not or "unsettled"]
        raise Refused(code, said)
    begun = ReviewRecord(
        str(uuid_utils.uuid7()), session_id, who, part.practitioner_id, part.ended_at_ms, now_ms
    )

    async def first(db: Transacting, _known: list[Version]) -> Wording | None:
        return Wording(begun, "review", who, 1, stars) if await rows.insert_review(db, begun) else None

    made = await _write(hub, Wording(begun, "review", who, 1, stars), wanted, first, language)
    if made is not None:
        return made
    # Another request of this guest was faster.
    known = await rows.of_session(hub.pool, session_id, who)
    if known is None:
        raise NotFound
    return await _again(hub, known, stars, wanted)


async def change(
    hub: Hub, who: UserId, review_id: str, seen: int, stars: int, text: str, language: Language
) -> Version:
    """Word one's review otherwise; `seen` is the version that it was made on. The earlier wording is kept.

    Raises NotFound, Refused: `conflict` when stale or too often, `expired`, `bad_request`, `rate_limited`.
    """
    review = await rows.review(hub.pool, review_id)
    if review is None or review.author_id != who:
        raise NotFound
    wanted = _fit(text)
    latest = (await rows.versions(hub.pool, review_id, "review"))[-1]
    if latest.version in (seen, seen + 1) and await _is_said(hub, latest, stars, wanted):
        return latest
    if not rules.may_change(review.ended_at_ms, now_ms=hub.now_ms()):
        raise Refused(Code.EXPIRED, "A review can be changed within 14 days of the session.")

    async def next_one(_db: Transacting, known: list[Version]) -> Wording | None:
        if known[-1].version != seen:
            return None
        return Wording(review, "review", who, seen + 1, stars)

    made = await _write(hub, Wording(review, "review", who, seen + 1, stars), wanted, next_one, language)
    if made is None:
        fields = {"version": "is not the latest"}
        raise Refused(Code.CONFLICT, "This was changed meanwhile; read it again.", fields=fields)
    return made


async def answer(hub: Hub, who: UserId, review_id: str, text: str, language: Language) -> Version:
    """The practitioner's answer to a review; another text takes the place of the one before.

    Raises NotFound unless it is a review of theirs that they can read, Refused: `conflict`, `bad_request`,
    `rate_limited`.
    """
    review = await rows.review(hub.pool, review_id)
    if review is None or review.practitioner_id != who:
        raise NotFound
    if await blocks.is_between(hub.pool, who, review.author_id) or not await is_shown(hub, review_id):
        raise NotFound
    wanted = _fit(text)
    known = await rows.versions(hub.pool, review_id, "answer")
    if known and await _is_said(hub, known[-1], None, wanted):
        return known[-1]

    async def next_one(_db: Transacting, before: list[Version]) -> Wording:
        return Wording(review, "answer", who, len(before) + 1, None)

    made = await _write(hub, Wording(review, "answer", who, len(known) + 1, None), wanted, next_one, language)
    if made is None:
        raise NotFound
    return made


async def is_shown(hub: Hub, review_id: str) -> bool:
    """Whether everybody can read the review."""
    return any(one.state == "published" for one in await rows.versions(hub.pool, review_id, "review"))


async def _write(hub: Hub, first: Wording, text: str, decide: Decide, language: Language) -> Version | None:
    """Judge, put on record and tell. None when `decide` adds nothing. Raises Refused."""
    who, practitioner_id = first.author_id, first.review.practitioner_id
    wait_ms = await hub.filing.allowances.take(who, "review", per_hour=hub.filing.per_hour)
    if wait_ms:
        raise Refused(Code.RATE_LIMITED, "You have written a lot; wait a while.", retry_after_ms=wait_ms)
    await hub.keyring.load(who)
    watched = any(
        one.state == "rejected" for one in await rows.versions(hub.pool, first.review.id, first.part)
    )
    judged = wording.judge(hub, text, watched=watched)
    if judged.distress:
        hub.spawn("distress.care", lambda: care(hub, first.review.session_id, who, None))
    if judged.state == "blocked":
        raise await wording.refuse(hub, first, judged, language)
    async with hub.pool.acquire() as db, db.transaction():
        made, flag_id = await _add(hub, db, first, judged, decide)
    if flag_id is not None:
        await flagging.tell_changed(hub, flag_id)
    if made is not None and made.state == "published" and made.part == "review":
        rating.tell(hub, practitioner_id)
    return made


async def _add(
    hub: Hub, db: Transacting, first: Wording, judged: Judged, decide: Decide
) -> tuple[Version | None, str | None]:
    await rows.lock_review(db, first.review.id)
    known = await rows.versions(db, first.review.id, first.part)
    if len(known) >= rules.VERSIONS_MAX:
        raise Refused(
            Code.CONFLICT, f"This was worded {rules.VERSIONS_MAX} times, which is as often as it may be."
        )
    unseen = judged.state == "published" or judged.on_timeout == "release"
    if unseen and any(one.state == "rejected" for one in known):
        # A moderator refused the wording before in this very moment.
        judged = wording.judge(hub, judged.text, watched=True)
    wanted = await decide(db, known)
    return (None, None) if wanted is None else await wording.add(hub, db, wanted, judged)


async def _again(hub: Hub, review: ReviewRecord, stars: int, text: str) -> Version:
    """What stands already, if it is the same. Raises Refused(conflict)."""
    latest = (await rows.versions(hub.pool, review.id, "review"))[-1]
    if not await _is_said(hub, latest, stars, text):
        raise Refused(Code.CONFLICT, "You have reviewed this session already; change that review instead.")
    return latest


async def _is_said(hub: Hub, known: Version, stars: int | None, text: str) -> bool:
    """Whether this is what that wording says. Numbers of cards are masked in it, so in the text as well."""
    said = await wording.opened(hub.keyring, known.author_id, known.id, known.text)
    judged = wording.judge(hub, text, watched=False)
    return known.rating == stars and said in (text, judged.text)


def _fit(text: str) -> str:
    try:
        return rules.worded(text)
    except UnfitText as error:
        raise bad_request("text", str(error)) from None
