"""What the payments duty tells the rooms: how a hold came out, and that everything is charged."""

from collections.abc import Callable
from functools import partial

import asyncpg

from billing import holds
from billing.payment import Operation, Outcome
from hub.live import Live
from hub.money.further_holds import amounts_minor, placed_minor
from rooms import extension, session
from rooms.errors import NotFound
from rooms.ids import SessionId
from rooms.news import Change
from rooms.room import Participant, Room
from store.postgres import sessions, settlements
from store.redis.turns import Decide


class Funding:
    """Brings outcomes at Stripe to the room they are for. Every call may be repeated."""

    def __init__(self, live: Live, pool: asyncpg.Pool) -> None:
        self._live = live
        self._pool = pool

    async def apply(self, operation: Operation, outcome: Outcome) -> None:
        """A hold's outcome. Raises NotFound without a room, NotLive when it came too late to be used."""
        room = (await self._live.rooms.require(operation.session_id)).room
        known = await settlements.holds(self._pool, room.id, operation.participant_no)
        decide = decision(room, operation, outcome, known)
        if decide is not None:
            await self._live.change(operation.session_id, decide)

    async def settled(self, session_id: SessionId, *, now_ms: Callable[[], int]) -> None:
        """The session is charged and recorded: say so in Postgres, and to its people."""
        await sessions.mark_settled(self._pool, session_id, now_ms=now_ms())
        try:
            await self._live.change(session_id, session.settle)
        except NotFound:
            # The room has expired; whoever asks is answered from the record.
            return


def decision(room: Room, operation: Operation, outcome: Outcome, known: list[Operation]) -> Decide | None:
    """What a hold's outcome means to its room; None when it means nothing. `known` are the guest's holds."""
    guest = _guest(room, operation.participant_no)
    guest_id = guest.user_id
    if operation.ordinal < guest.holds_from and outcome.status != "placed":
        # Of an earlier knock; that one is over.
        return None
    match outcome.status:
        case "placed":
            return partial(_fund, operation=operation, outcome=outcome, known=known)
        case "action_required" if operation.ordinal == guest.holds_from:
            return partial(session.await_confirmation, guest_id=guest_id, url=outcome.url or "")
        case "declined" if operation.ordinal == guest.holds_from:
            return partial(session.decline_hold, guest_id=guest_id)
        case "action_required" | "declined":
            return partial(extension.refuse, guest_id=guest_id, ordinal=operation.ordinal)
        case _:
            return None


def _fund(
    room: Room, *, operation: Operation, outcome: Outcome, known: list[Operation], now_ms: int
) -> Change:
    """The room with this hold counted. What it adds follows from what all holds are over together, so that it
    does not matter which of them came first.
    """
    guest = _guest(room, operation.participant_no)
    guest_id = guest.user_id
    if guest.hold is None:
        raise NotFound
    counted_minor = sum(amounts_minor(room, guest, known).values())
    held_minor = counted_minor + placed_minor(operation, outcome)
    terms = room.of(guest).terms
    return session.fund(
        room,
        guest_id,
        ordinal=operation.ordinal,
        funded_ms=max(0, holds.funded_ms(terms, held_minor) - guest.hold.funded_ms),
        more=holds.next_hold_minor(terms, held_minor) > 0,
        now_ms=now_ms,
    )


def _guest(room: Room, participant_no: int) -> Participant:
    for guest in room.guests:
        if guest.no == participant_no:
            return guest
    raise NotFound
