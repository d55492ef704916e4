"""What follows once a moderator has confirmed that somebody is under age."""

from rooms.ids import SessionId, UserId
from store.postgres import audit, purges, restitutions
from store.postgres.pool import Db

REASON = "minor"


async def confirm(db: Db, *, user_id: str, ordered_by: str, session_id: str, now_ms: int) -> None:
    """Order, in the caller's transaction, that they get back what they paid and are removed for good.

    Last in that transaction, as every audit entry. Repeated, it changes nothing. The removal waits until
    their sessions are settled and the money is back.
    """
    await restitutions.order(
        db,
        guest_id=UserId(user_id),
        session_id=SessionId(session_id),
        ordered_by=UserId(ordered_by),
        reason=REASON,
        now_ms=now_ms,
    )
    ordered = await purges.order(
        db, user_id=user_id, reason=REASON, ordered_by=ordered_by, session_id=session_id, now_ms=now_ms
    )
    if ordered:
        await audit.append(
            db,
            actor_id=ordered_by,
            actor_role="moderator",
            action="purge_ordered",
            subject_id=user_id,
            session_id=session_id,
            detail={"because": REASON},
            now_ms=now_ms,
        )
