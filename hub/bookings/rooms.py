"""How a booking becomes a session: its room, its record and its hold, each made once whoever makes them.

    claim the booking → create the room → record it with its hold → (a worker places the hold)

Every step is repeatable, so whoever finds the booking again goes on where the last one died. Until the room
is on record nothing was held, and from then on the room outlives the loss of the live store.
"""

from collections.abc import Callable
from functools import partial

import asyncpg

from billing import holds, requests
from billing.payment import Operation, State, Wanted
from hub.live import Live
from hub.survival.checkpoints import checkpoint
from rooms import booked
from rooms.bookings.times import Times
from rooms.bookings.times import booked as booked_times
from rooms.errors import InDoubt
from rooms.ids import UserId
from rooms.room import Limits, Room
from rooms.room import State as RoomState
from store.postgres import epochs, operations, people, sessions, settlements
from store.postgres.bookings import Booking
from store.records import Card

GUEST_NO = 1


class BookingRooms:
    """Makes the rooms of bookings. `return_url` is where a guest comes back to from their bank."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        live: Live,
        *,
        environment: str,
        return_url: str,
        limits: Limits,
        times: Times,
        now_ms: Callable[[], int],
    ) -> None:
        self.pool = pool
        self.live = live
        self.times = times
        self._environment = environment
        self._return_url = return_url
        self._limits = limits
        self._now_ms = now_ms

    async def ensure(self, booking: Booking) -> Room | None:
        """The booking's room, made if there is none; None once its session is on record and its room gone.

        The booking has to be claimed before. Raises InDoubt while the live store may have forgotten rooms.
        """
        epoch = await epochs.read(self.pool)
        if epoch is None or epoch.state != "ready":
            raise InDoubt
        recorded = await sessions.state(self.pool, booking.id)
        loaded = await self.live.rooms.load(booking.id)
        if loaded is None and recorded is not None:
            return None
        room = await self._create(booking) if loaded is None else loaded.room
        if recorded is None and room.state is RoomState.REQUESTED:
            await self._record(room, epoch.epoch)
        return room

    async def hold_again(self, room: Room) -> Room:
        """After a card said no, or there was none, the one that the guest has saved by now is asked."""
        guest = room.guests[0]
        if guest.hold is None or guest.hold.status not in ("declined", "pending"):
            return room
        known = await settlements.holds(self.pool, room.id, guest.no)
        card = await people.card(self.pool, guest.user_id)
        if card is None and not known:
            return (await self.live.change(room.id, partial(booked.no_card, guest_id=guest.user_id))).room
        if not _wants_asking(known, card):
            return room
        # The room first: should the hold's outcome come before it waits for one, it would go on waiting.
        asking = await self.live.change(room.id, partial(booked.hold_again, guest_id=guest.user_id))
        await self._want(asking.room, card, attempt=known[-1].attempt + 1 if known else 1)
        return asking.room

    async def _create(self, booking: Booking) -> Room:
        now_ms = await self.live.rooms.now_ms()
        change = booked.request(
            booking.id,
            practitioner=(booking.practitioner_id, await self._name(booking.practitioner_id)),
            guest=(booking.guest_id, await self._name(booking.guest_id)),
            terms=booking.terms,
            limits=self._limits,
            booked=booked_times(
                self.times,
                starts_at_ms=booking.starts_at_ms,
                ends_at_ms=booking.ends_at_ms,
                free_until_ms=booking.free_until_ms,
                now_ms=now_ms,
            ),
            until_ms=booking.ends_at_ms,
            now_ms=now_ms,
        )
        return await self.live.rooms.create(change)

    async def _record(self, room: Room, epoch: str) -> None:
        card = await people.card(self.pool, room.guests[0].user_id)
        await sessions.insert_request(
            self.pool,
            room,
            environment=self._environment,
            hold=self._hold(room, card),
            seen=checkpoint(room, epoch),
            now_ms=self._now_ms(),
        )

    async def _want(self, room: Room, card: Card | None, *, attempt: int) -> None:
        wanted = self._hold(room, card, attempt=attempt)
        if wanted is not None:
            await operations.insert_operations(
                self.pool, self._environment, room.id, GUEST_NO, [wanted], now_ms=self._now_ms()
            )

    def _hold(self, room: Room, card: Card | None, *, attempt: int = 1) -> Wanted | None:
        amount_minor = holds.first_hold_minor(room.terms)
        if amount_minor == 0 or card is None or room.booked is None:
            return None
        return requests.hold(
            room.id,
            GUEST_NO,
            ordinal=1,
            amount_minor=amount_minor,
            currency=room.terms.currency,
            customer=card.stripe_customer,
            payment_method=card.stripe_payment_method,
            return_url=self._return_url,
            at_ms=self._now_ms(),
            abandon_at_ms=room.booked.held_by_ms,
            attempt=attempt,
        )

    async def _name(self, user_id: UserId) -> str:
        person = await people.person(self.pool, user_id)
        return "" if person is None else person.name


def _wants_asking(known: list[Operation], card: Card | None) -> bool:
    """Whether there is a card that was not asked yet, and nobody is asked right now."""
    if card is None:
        return False
    if not known:
        return True
    last = known[-1]
    return last.state is State.FAILED and last.params.body.get("payment_method") != card.stripe_payment_method
