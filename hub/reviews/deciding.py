"""What becomes of words that wait, or that were reported: a moderator decides, or time does."""

import structlog

from hub.hub import Hub
from hub.reviews import rating
from hub.safety.notices import Notice, tell
from rooms.moderation import Action as ActionName
from store.moderation_records import Action, Flag
from store.postgres import reviews as rows
from store.postgres.pool import Db, Transacting
from store.postgres.reviews import ReviewRecord, Version

log = structlog.get_logger()


async def is_undecided(db: Db, flag: Flag, action: ActionName) -> bool:
    """Whether there is something to decide: the wording waits to be released, or any stands to be refused."""
    if flag.review_id is None:
        return False
    known = await rows.versions(db, flag.review_id)
    if action == "release":
        return any(one.id == flag.message_id and one.state == "pending" for one in known)
    return any(one.author_id == flag.user_id and one.state in ("pending", "published") for one in known)


async def decide(hub: Hub, action: Action, flag: Flag) -> None:
    """Show the wording that the case is about, or take out all that its author says in the review, as it
    stood when that was decided. Repeatable: what was worded later is not touched.
    """
    if flag.review_id is None:
        return
    now_ms = hub.now_ms()
    async with hub.pool.acquire() as db, db.transaction():
        review = await rows.lock_review(db, flag.review_id)
        if review is None:
            return
        if action.action == "release" and flag.message_id is not None:
            version = await rows.version_of_id(db, flag.message_id)
            done = version is not None and await release(db, review, version, now_ms=now_ms)
        else:
            refused = await rows.refuse_all(
                db, review.id, flag.user_id, until_ms=action.created_at_ms, now_ms=now_ms
            )
            done = refused > 0
        if done:
            await rating.want_told(db, review.practitioner_id, now_ms=now_ms)
    rating.tell(hub, review.practitioner_id)
    code = "review_released" if action.action == "release" else "review_rejected"
    await tell(hub, flag.user_id, Notice(code, action.session_id))
    log.info("review.decided", review=review.id, action=action.action, changed=done)


async def withhold(hub: Hub, version_id: str) -> None:
    """Whoever acts against an author because of words that wait does not let them through."""
    await rows.refuse_waiting(hub.pool, version_id, now_ms=hub.now_ms())


async def release(db: Transacting, review: ReviewRecord, version: Version, *, now_ms: int) -> bool:
    """Show a wording that waits in place of the one before, with the review locked. False when decided."""
    await rows.give_way(db, version.id)
    return version.review_id == review.id and await rows.publish(db, version.id, now_ms=now_ms)
