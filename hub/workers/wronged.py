"""Nobody pays for a live room whose host was at fault: orders back what those paid who had left it before."""

from typing import Final

from billing import who_pays
from billing.who_pays import Cause
from rooms.room import Room
from store.postgres import acts, restitutions
from store.postgres.pool import Db

AT_FAULT: Final = (Cause.PRACTITIONER_CONDUCT, Cause.PRACTITIONER_FAULT)
"""Why a guest pays nothing for a session because of its practitioner."""


async def give_back(db: Db, room: Room, *, now_ms: int) -> int:
    """Order it for each guest whose part was over, and charged, before the room was; how many they are.

    Not for those who were put out for what they did themselves. Repeated, it changes nothing. Raises
    LookupError when nobody is on record who decided about the host.
    """
    earlier = [
        guest
        for guest in room.guests
        if guest.ended_at_ms is not None and who_pays.cause(guest.end_reason) is not Cause.GUEST_CONDUCT
    ]
    if not earlier or who_pays.cause(room.end_reason) not in AT_FAULT:
        return 0
    # The decision was on record before the room was over.
    by = await acts.who_put_out(db, room.id, room.practitioner.user_id)
    if by is None:
        raise LookupError("Nobody decided that the host was at fault.")
    for guest in earlier:
        await restitutions.order_of_session(
            db,
            guest_id=guest.user_id,
            session_id=room.id,
            ordered_by=by,
            reason=room.end_reason or "",
            now_ms=now_ms,
        )
    return len(earlier)
