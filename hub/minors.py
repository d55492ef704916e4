"""What follows once a moderator has confirmed that somebody is under age."""

from store.postgres import audit, purges
from store.postgres.pool import Db

REASON = "minor"


async def confirm(db: Db, *, user_id: str, ordered_by: str, session_id: str, now_ms: int) -> None:
    """Order, in the caller's transaction, that they get back what they paid and are removed for good.

    Last in that transaction, as every audit entry. Repeated, it changes nothing. The removal waits until
    their sessions are settled and the money is back.
    """
    await _order_restitution(
        db, guest_id=user_id, session_id=session_id, ordered_by=ordered_by, now_ms=now_ms
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


async def _order_restitution(
    _db: Db, *, guest_id: str, session_id: str, ordered_by: str, now_ms: int
) -> None:
    """The one place where what a minor paid is ordered back; nothing is on record for it yet."""
