"""The calendar beside the live half: what is booked next bounds what can begin, and what runs, before it."""

from functools import partial

from hub.hub import Hub
from hub.live import Live
from rooms import session
from rooms.bookings.times import Times, opens_at_ms
from rooms.errors import Booked, Busy, NotFound
from rooms.ids import SessionId, UserId
from store.postgres import bookings
from store.redis.people import People


async def require_quiet(hub: Hub, guest_id: UserId | None, practitioner_id: UserId) -> int | None:
    """Until when a session may last that these people begin now; None for as long as they like.

    The rule: nothing begins when a booking's lobby opens within `Times.quiet_ms`, and what begins before that
    is over when it opens. Raises Busy for the practitioner's booking, Booked for the guest's.
    """
    now_ms, times = hub.now_ms(), hub.offer.times
    theirs = await next_opening_ms(hub, [practitioner_id], times)
    if theirs is not None and theirs - now_ms < times.quiet_ms:
        raise Busy("The practitioner has a booked session soon.")
    own = None if guest_id is None else await require_own_quiet(hub, guest_id)
    return min((at_ms for at_ms in (theirs, own) if at_ms is not None), default=None)


async def require_own_quiet(hub: Hub, user_id: UserId) -> int | None:
    """The same for one person, who begins or enters something by themselves. Raises Booked."""
    opens_ms = await next_opening_ms(hub, [user_id], hub.offer.times)
    if opens_ms is not None and opens_ms - hub.now_ms() < hub.offer.times.quiet_ms:
        raise Booked
    return opens_ms


async def next_opening_ms(hub: Hub, people: list[UserId], times: Times) -> int | None:
    """When the lobby of the next booking of any of these people opens, which may be now."""
    starts_at_ms = await bookings.next_start_ms(hub.pool, people, after_ms=hub.now_ms())
    return None if starts_at_ms is None else opens_at_ms(times, starts_at_ms)


async def bound_running(
    live: Live, people: People, user_id: UserId, booking_id: SessionId, at_ms: int
) -> None:
    """Whatever this person is in is over when their booking's lobby opens. Harmless the second time.

    Not another booking of theirs: it has its whole time, and this one begins after it.
    """
    held_by = await people.held_by(user_id)
    if held_by is None or held_by == booking_id:
        return
    loaded = await live.rooms.load(held_by)
    me = None if loaded is None else loaded.room.participant(user_id)
    if loaded is None or me is None or loaded.room.booked is not None:
        return
    if loaded.room.kind == "live_room" and me.role == "guest":
        # A guest of a live room leaves it by themselves, and it goes on without them.
        return
    try:
        await live.change(held_by, partial(session.bound, until_ms=at_ms))
    except NotFound:
        return


async def has_time(live: Live, session_id: SessionId) -> bool:
    """Whether this is another booking, whose time is not over: the next one's lobby waits for it."""
    loaded = await live.rooms.load(session_id)
    if loaded is None or loaded.room.booked is None or loaded.room.until_ms is None:
        return False
    return await live.rooms.now_ms() < loaded.room.until_ms
