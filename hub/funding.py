"""What the payments duty tells the rooms: how a hold came out, and that everything is charged."""

from collections.abc import Callable
from functools import partial
from typing import assert_never

import asyncpg

from billing import holds
from billing.payment import Operation, Outcome
from hub.live import Live
from rooms import session
from rooms.errors import NotFound
from rooms.ids import SessionId, UserId
from rooms.room import Room
from store.postgres import sessions


class Funding:
    """Brings outcomes at Stripe to the room they are for. Every call may be repeated."""

    def __init__(self, live: Live, pool: asyncpg.Pool) -> None:
        self._live = live
        self._pool = pool

    async def apply(self, operation: Operation, outcome: Outcome) -> None:
        """A hold's outcome. Raises NotFound without a room, NotLive when it came too late to be used."""
        room = (await self._live.rooms.require(operation.session_id)).room
        guest_id = _guest(room, operation.participant_no)
        match outcome.status:
            case "placed":
                decide = partial(
                    session.fund,
                    guest_id=guest_id,
                    ordinal=operation.ordinal,
                    funded_ms=_more_ms(room, operation),
                )
            case "action_required":
                decide = partial(session.await_confirmation, guest_id=guest_id, url=outcome.url or "")
            case "declined":
                decide = partial(session.decline_hold, guest_id=guest_id)
            case "captured" | "canceled" | "transferred" | "refused":
                return
            case never:
                assert_never(never)
        await self._live.change(operation.session_id, decide)

    async def settled(self, session_id: SessionId, *, now_ms: Callable[[], int]) -> None:
        """The session is charged and recorded: say so in Postgres, and to its people."""
        await sessions.mark_settled(self._pool, session_id, now_ms=now_ms())
        try:
            await self._live.change(session_id, session.settle)
        except NotFound:
            # The room has expired; whoever asks is answered from the record.
            return


def _more_ms(room: Room, operation: Operation) -> int:
    """The time that this hold adds. Holds of one guest are equal but for the last, so what came before it
    is `ordinal - 1` times as much at most, and the first one brings the free time.
    """
    before_minor = (operation.ordinal - 1) * operation.amount_minor
    terms = room.terms
    return holds.funded_ms(terms, before_minor + operation.amount_minor) - (
        holds.funded_ms(terms, before_minor) if operation.ordinal > 1 else 0
    )


def _guest(room: Room, participant_no: int) -> UserId:
    for guest in room.guests:
        if guest.no == participant_no:
            return guest.user_id
    raise NotFound
