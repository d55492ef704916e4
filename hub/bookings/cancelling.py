"""How either side cancels a booking, and how the platform calls one off."""

from hub.bookings import telling
from hub.bookings.calling_off import end_without_room
from hub.bookings.rooms import BookingRooms
from hub.errors import Code, Refused
from hub.hub import Hub
from rooms import booked
from rooms.departure import Proofs
from rooms.errors import IllegalTransition
from rooms.ids import SessionId, UserId
from rooms.news import Change
from rooms.room import OVER, Room
from store.postgres import bookings
from store.postgres.bookings import Booking
from store.privacy.bindings import booking_aad


def rooms_of(hub: Hub) -> BookingRooms:
    """Where this hub makes rooms of bookings."""
    offer = hub.offer
    return BookingRooms(
        hub.pool,
        hub.live,
        environment=offer.environment,
        return_url=offer.return_url,
        limits=offer.limits,
        times=offer.times,
        now_ms=hub.now_ms,
    )


async def cancel(hub: Hub, who: UserId, booking: Booking, reason: str | None) -> Booking:
    """Cancel; one that is over stays as it is. `reason` is kept sealed, for the two alone.

    Raises Refused(conflict) once the session is live.
    """
    if booking.state not in bookings.OPEN:
        return booking
    done = await _before_room(hub, who, booking)
    if done is None:
        latest = await bookings.booking(hub.pool, booking.id)
        done = booking if latest is None else latest
        if done.room_at_ms is not None and done.state in bookings.OPEN:
            done = await _in_room(hub, who, done)
    if reason is not None:
        await _keep_reason(hub, who, booking.id, reason)
    return done


async def _before_room(hub: Hub, who: UserId, booking: Booking) -> Booking | None:
    """Cancelled on record alone, where nothing else is there of it."""
    now_ms = hub.now_ms()
    early = now_ms < booking.free_until_ms
    own = "booking_cancelled_early" if early else "booking_cancelled_late"
    because = own if who == booking.guest_id else "booking_cancelled_by_practitioner"
    cancelled = await end_without_room(hub.pool, booking, because, now_ms=now_ms)
    if cancelled is not None:
        await telling.tell_change(hub.pool, hub.people, cancelled)
    return cancelled


async def _in_room(hub: Hub, who: UserId, booking: Booking) -> Booking:
    """Its room decides, and the booking follows at once; what is to be paid, when that is put on record."""

    def decide(room: Room, proofs: Proofs, now_ms: int) -> Change:
        return booked.cancel(room, who, proofs=proofs, now_ms=now_ms)

    room = await rooms_of(hub).ensure(booking)
    if room is not None:
        try:
            room = (await hub.live.change_with_proofs(booking.id, decide)).room
        except IllegalTransition:
            raise Refused(Code.CONFLICT, "The session is live; end it instead.") from None
    if room is None or room.state not in OVER or room.end_reason is None:
        latest = await bookings.booking(hub.pool, booking.id)
        return booking if latest is None else latest
    return await _follow(hub, booking, room, room.end_reason)


async def _follow(hub: Hub, booking: Booking, room: Room, because: str) -> Booking:
    """As the settlement would do it in a moment. Who was told by the session is not told again."""
    state: bookings.State = "missed" if because in booked.MISSED else "cancelled"
    over = await bookings.finish_booking(hub.pool, booking.id, state, because, now_ms=hub.now_ms())
    if over is None:
        latest = await bookings.booking(hub.pool, booking.id)
        return booking if latest is None else latest
    if room.offered_at_ms is None:
        await telling.tell_change(hub.pool, hub.people, over)
    else:
        await bookings.told(hub.pool, over.id, over.version)
    return over


async def _keep_reason(hub: Hub, who: UserId, booking_id: SessionId, reason: str) -> None:
    key = await hub.keyring.load(who)
    await bookings.say_why(hub.pool, booking_id, who, key.seal(booking_aad(booking_id), reason.encode()))
