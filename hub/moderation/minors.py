"""What follows once a moderator has confirmed that somebody is under age."""

from typing import Final

import uuid_utils

from rooms.ids import SessionId, UserId
from store.postgres import audit, erasures, restitutions
from store.postgres.pool import Db

REASON: Final = "minor"


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
    ordered = await erasures.order(
        db,
        receipt=str(uuid_utils.uuid7()),
        user_id=user_id,
        source=REASON,
        ordered_by=ordered_by,
        session_id=session_id,
        received_at_ms=now_ms,
        now_ms=now_ms,
        cancellable_until_ms=now_ms,
        from_ms=now_ms + appeal_ms,
    ) or await erasures.take_over(db, user_id, source=REASON, ordered_by=ordered_by, session_id=session_id)
    if ordered:
        await audit.append(
            db,
            actor_id=ordered_by,
            actor_role="moderator",
            action="erasure_ordered",
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
    if not await erasures.overrule(db, user_id, source=REASON, now_ms=now_ms):
        return False
    await audit.append(
        db,
        actor_id=overruled_by,
        actor_role="moderator",
        action="erasure_cancelled",
        subject_id=user_id,
        session_id=session_id,
        detail={"because": REASON},
        now_ms=now_ms,
    )
    return True
