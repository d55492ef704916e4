"""What time does to bookings: money is held, the lobby opens, both belong to it, and none is forgotten.

Each run takes what is due under a lease and does one step of it; whoever dies leaves the rest to the next:

    claim → room → record and hold → (another card) → both people → lobby → live → on record

What should have begun while nobody ran is called off, and nobody pays.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog

from config.settings import Settings
from hub import wall_clock
from hub.bookings import calendars, calling_off, telling
from hub.bookings.rooms import BookingRooms
from hub.live import Live
from hub.settings_view import booking_times, session_limits
from rooms import booked, session
from rooms.bookings import times
from rooms.departure import Proofs
from rooms.errors import RoomError
from rooms.ids import SessionId, UserId
from rooms.news import Change
from rooms.room import OVER, Participant, Room, State
from store.postgres import bookings, operations, sessions
from store.postgres.bookings import Booking
from store.redis.directory import Directory
from store.redis.people import People

AT_ONCE: Final = 50
LEASE_MS: Final = 10_000
"""Many times what one booking takes. That two look at one is harmless; that nobody does, is not."""
SOON_MS: Final = 1_000
"""How soon a booking is looked at again while something of it is under way."""
WAITING_MS: Final = 5_000
LIVE_MS: Final = 15_000
"""The same while its session runs, or waits to be put on record."""
TELL_AGAIN_MS: Final = 5_000
UNFIT_WITHIN_MS: Final = 400 * 86_400_000

Reached = Callable[[str], Awaitable[None]]

log = structlog.get_logger()


async def _go_on(step: str) -> None:
    """Nothing waits between two steps."""


class Bookings:
    """The duty. `reached` is awaited after each step; `now_ms` gives Unix ms."""

    def __init__(
        self,
        rooms: BookingRooms,
        people: People,
        directory: Directory,
        *,
        now_ms: Callable[[], int],
        reached: Reached = _go_on,
    ) -> None:
        self._rooms = rooms
        self._pool: asyncpg.Pool = rooms.pool
        self._live: Live = rooms.live
        self._people = people
        self._directory = directory
        self._now_ms = now_ms
        self._reached = reached

    async def run(self) -> None:
        """Until nothing more is due right now."""
        while await self.run_once() == AT_ONCE:
            pass

    async def run_once(self) -> int:
        """How many bookings were looked at. Raises when a store is away."""
        await self._tell_left()
        due = await bookings.due_bookings(self._pool, now_ms=self._now_ms(), limit=AT_ONCE, lease_ms=LEASE_MS)
        for booking in due:
            try:
                await self._look(booking)
            except RoomError as error:
                log.warning("booking.not_yet", booking=booking.id, error=type(error).__name__)
                await self._again(booking, SOON_MS)
        return len(due)

    # What becomes of one booking.

    async def _look(self, booking: Booking) -> None:
        now_ms = self._now_ms()
        if booking.room_at_ms is None and times.is_lost(self._rooms.times, booking.starts_at_ms, now_ms):
            await self._finish(booking, "not_opened")
            return
        claimed = await bookings.claim_booking(self._pool, booking.id, booking.version, now_ms=now_ms)
        if claimed is None:
            return
        await self._reached("claimed")
        room = await self._rooms.ensure(claimed)
        await self._reached("recorded")
        if room is None:
            await self._follow_record(claimed)
        elif room.state in (State.REQUESTED, State.WAITING) and await self._is_unfit(claimed):
            await calling_off.call_off_room(self._live, claimed)
            await self._again(claimed, SOON_MS)
        elif room.state is State.REQUESTED:
            await self._prepare(claimed, room)
        elif room.state is State.WAITING:
            await self._hold_both(room)
            await self._again(claimed, WAITING_MS)
        else:
            live = room.state in (State.LIVE, State.PAUSED)
            await self._again(claimed, LIVE_MS, live=live)

    async def _prepare(self, booking: Booking, room: Room) -> None:
        """Until the lobby is open: the money, those who are elsewhere, and then both people."""
        room = await self._rooms.hold_again(room)
        await self._reached("asked")
        await self._tell_hold(booking, room)
        opens_ms = times.opens_at_ms(self._rooms.times, booking.starts_at_ms)
        for person in room.people:
            await calendars.bound_running(self._live, self._people, person.user_id, room.id, opens_ms)
        now_ms = await self._live.rooms.now_ms()
        if not booked.is_funded(room):
            await self._again(booking, SOON_MS)
            return
        if now_ms < opens_ms:
            # Who begins something until then is bounded as they begin it, so nothing has to be looked at.
            await bookings.look_again(self._pool, booking.id, due_at_ms=self._now_ms() + opens_ms - now_ms)
            return
        if await self._hold_both(room):
            await self._reached("held")
            opened = await self._live.change(room.id, booked.open_lobby)
            await self._reached("opened")
            if opened.room.state is State.WAITING:
                for person in room.people:
                    await telling.tell(self._people, person.user_id, booking, "lobby_open")
        await self._again(booking, SOON_MS)

    async def _hold_both(self, room: Room) -> bool:
        """Both people are in this session and no other from now on; False while one is not free yet."""
        free = [await self._hold(room, person) for person in room.people]
        return all(free)

    async def _hold(self, room: Room, person: Participant) -> bool:
        user_id = person.user_id
        standing = await self._people.standing(user_id)
        if standing.session_id == room.id and standing.confirmed:
            return True
        held = await self._people.reserve(user_id, room.id, must_be_online=False)
        if held is not None and held.confirmed:
            if await self._live.holds(held.session_id, user_id):
                if await calendars.has_time(self._live, held.session_id):
                    return False
                await self._give_way(held.session_id, user_id)
            held = await self._people.reserve(user_id, room.id, must_be_online=False, over=held.session_id)
        if held is not None:
            return False
        await self._people.confirm(user_id, room.id)
        if person.role == "practitioner":
            await self._directory.show(await self._people.standing(user_id))
        return True

    async def _give_way(self, session_id: SessionId, user_id: UserId) -> None:
        def decide(room: Room, proofs: Proofs, now_ms: int) -> Change:
            return session.give_way(room, user_id, proofs=proofs, now_ms=now_ms)

        await self._live.change_with_proofs(session_id, decide)

    async def _follow_record(self, booking: Booking) -> None:
        """Its room is gone. With its session on record as over, so is the booking."""
        recorded = await sessions.state(self._pool, booking.id)
        if recorded is None or recorded not in OVER:
            await self._again(booking, LIVE_MS)
            return
        await bookings.finish_booking(
            self._pool,
            booking.id,
            "done" if recorded in (State.ENDED, State.SETTLED) else "cancelled",
            "booking_called_off",
            now_ms=self._now_ms(),
        )

    # What people are told.

    async def _tell_hold(self, booking: Booking, room: Room) -> None:
        hold = room.guests[0].hold
        if hold is None or hold.status not in ("declined", "action_required"):
            return
        known = await operations.operations(self._pool, booking.id)
        what = f"{hold.status}:{len(known)}"
        if await bookings.hold_told(self._pool, booking.id, what):
            code = f"booking_hold_{hold.status}"
            await telling.tell(self._people, booking.guest_id, booking, code, url=hold.url)

    async def _tell_left(self) -> None:
        """Changes of which somebody who died did not tell."""
        before_ms = self._now_ms() - TELL_AGAIN_MS
        for booking in await bookings.untold(self._pool, before_ms=before_ms, limit=AT_ONCE):
            await telling.tell_change(self._pool, self._people, booking)

    # What does not take place.

    async def call_off(self) -> int:
        """Bookings of people who are suspended, leaving, gone, or blocked by the other; how many there
        were.
        """
        now_ms = self._now_ms()
        unfit = await bookings.unfit_bookings(
            self._pool, now_ms=now_ms, until_ms=now_ms + UNFIT_WITHIN_MS, limit=AT_ONCE
        )
        for booking in unfit:
            await self._finish(booking, "booking_called_off")
        return len(unfit)

    async def _is_unfit(self, booking: Booking) -> bool:
        now_ms = self._now_ms()
        return bool(
            await bookings.unfit_bookings(
                self._pool, now_ms=now_ms, until_ms=now_ms + UNFIT_WITHIN_MS, limit=1, one=booking.id
            )
        )

    async def _finish(self, booking: Booking, because: str) -> None:
        """Over without ever having had a room."""
        over = await calling_off.end_without_room(self._pool, booking, because, now_ms=self._now_ms())
        if over is not None:
            await self._reached("called_off")
            await telling.tell_change(self._pool, self._people, over)

    async def _again(self, booking: Booking, wait_ms: int, *, live: bool = False) -> None:
        due_at_ms = self._now_ms() + wait_ms
        await bookings.look_again(self._pool, booking.id, due_at_ms=due_at_ms, live=live)


def duty(
    settings: Settings, pool: asyncpg.Pool, live: Live, people: People, directory: Directory
) -> Bookings:
    """The duty of a worker with these parts."""
    rooms = BookingRooms(
        pool,
        live,
        environment=settings.environment,
        return_url=settings.public_url,
        limits=session_limits(settings),
        times=booking_times(settings),
        now_ms=wall_clock.now_ms,
    )
    return Bookings(rooms, people, directory, now_ms=wall_clock.now_ms)
