"""How a running session gets its next hold: the room asks, this puts the operation on record, once.

The room asks again until it hears what came of it, so a process that dies before this line is no loss; the
ordinal makes the second time harmless.
"""

from collections.abc import Callable

import asyncpg
import structlog

from billing import holds, requests
from billing.payment import Operation, Outcome, Wanted
from rooms import meter
from rooms.room import Participant, Room
from store.postgres import operations, people, settlements
from store.records import Card

log = structlog.get_logger()


class FurtherHolds:
    """Puts the holds that rooms ask for on record."""

    def __init__(self, pool: asyncpg.Pool, *, environment: str, now_ms: Callable[[], int]) -> None:
        self._pool = pool
        self._environment = environment
        self._now_ms = now_ms

    async def order(self, room: Room) -> None:
        """Want every further hold that the room asks for. Harmless the second time."""
        for guest in room.guests:
            if guest.hold is not None and guest.hold.further.asked is not None and guest.lobby == "admitted":
                await self._order(room, guest, guest.hold.further.asked, guest.hold.further.minutes)

    async def _order(self, room: Room, guest: Participant, ordinal: int, minutes: int) -> None:
        known = await settlements.holds(self._pool, room.id, guest.no)
        card = await people.card(self._pool, guest.user_id)
        held_minor = sum(amounts_minor(room, guest, known).values())
        amount_minor = holds.further_hold_minor(room.of(guest).terms, held_minor, minutes)
        if amount_minor == 0 or not known:
            log.warning("extension.not_possible", session_id=room.id, ordinal=ordinal)
            return
        wanted = _wanted(room, guest, ordinal, amount_minor, known[0], card)
        await operations.insert_operations(
            self._pool, self._environment, room.id, guest.no, [wanted], now_ms=self._now_ms()
        )


def amounts_minor(room: Room, guest: Participant, known: list[Operation]) -> dict[int, int]:
    """What each hold that the room counts is over, by ordinal."""
    counted = guest.hold.ordinals if guest.hold is not None else ()
    return {one.ordinal: placed_minor(one, one.outcome) for one in known if one.ordinal in counted}


def placed_minor(operation: Operation, outcome: Outcome | None) -> int:
    """What a hold is over: what Stripe says it holds, else what was asked for."""
    placed = outcome is not None and outcome.status == "placed"
    return outcome.amount_minor if outcome is not None and placed else operation.amount_minor


def _wanted(
    room: Room, guest: Participant, ordinal: int, amount_minor: int, first: Operation, card: Card | None
) -> Wanted:
    """The hold, on the card that the guest has saved now; or, without one, on the one they began with."""
    body = first.params.body
    left_ms = (guest.hold.funded_ms if guest.hold else 0) - meter.billed_ms(room, guest, room.clock_ms)
    return requests.hold(
        room.id,
        guest.no,
        ordinal=ordinal,
        amount_minor=amount_minor,
        currency=room.terms.currency,
        customer=card.stripe_customer if card is not None else str(body["customer"]),
        payment_method=card.stripe_payment_method if card is not None else str(body["payment_method"]),
        # The guest is in the middle of a session: a bank that insists on asking has said no.
        return_url=None,
        at_ms=room.clock_ms,
        abandon_at_ms=room.clock_ms + max(0, left_ms) + room.limits.grace_ms,
    )
