"""What follows once a moderator has confirmed that somebody is under age."""

from rooms.ids import SessionId, UserId
from store.postgres import audit, purges, restitutions
from store.postgres.pool import Db

REASON = "minor"


async def confirm(
    db: Db, *, user_id: str, ordered_by: str, session_id: str, appeal_ms: int, now_ms: int
) -> None:
    """Order, in the caller's transaction, that they get back what they paid and are removed for good.

    Last in that transaction, as every audit entry. Repeated, it changes nothing. The removal cannot be taken
    back, so it waits for `appeal_ms`, in which they may say that it is wrong, and for whatever they said to
    be decided; then until their sessions are settled and the money is back.
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
        db,
        user_id=user_id,
        reason=REASON,
        ordered_by=ordered_by,
        session_id=session_id,
        from_ms=now_ms + appeal_ms,
        now_ms=now_ms,
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


async def overrule(db: Db, *, user_id: str, overruled_by: str, session_id: str, now_ms: int) -> bool:
    """Take back, in the caller's transaction, that they are removed; after the suspension itself is lifted.

    False when there is nothing to take back, or when another decision says the same of them. Money that is on
    its way back to them stays theirs: whether any of it is asked for again is for an admin.
    """
    if not await purges.cancel(db, user_id, reason=REASON, now_ms=now_ms):
        return False
    await audit.append(
        db,
        actor_id=overruled_by,
        actor_role="moderator",
        action="purge_cancelled",
        subject_id=user_id,
        session_id=session_id,
        detail={"because": REASON},
        now_ms=now_ms,
    )
    return True
