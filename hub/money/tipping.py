"""A guest gives a tip after a session: one payment of its own, all of it the practitioner's."""

import asyncio
from typing import Final

from billing import money, requests, tip, who_pays
from billing.payment import TERMINAL, Kind, Operation, Share, State
from hub.errors import Code, Refused
from hub.hub import Hub
from rooms.ids import SessionId, UserId
from store.postgres import operations, people, settlements, tips
from store.postgres.pool import acting_as
from store.records import Card, Tipping

LOOK_S: Final = 0.1
"""How often the outcome is looked for. It is written by another process."""


async def give(hub: Hub, who: UserId, session_id: SessionId, amount_minor: int) -> Operation:
    """Give a tip, or find the one that was given: its operation, decided, or after `hold_ack_s` on its way.

    Raises Refused: `not_found`, `not_live` before the end, `conflict` for another amount or where none can be
    given, `expired`, `bad_request`, `payment_required` without a card, `card_declined`.
    """
    session = await _session(hub, who, session_id)
    card = await _card(hub, who, session, amount_minor)
    wish = await _wish(hub, session, card, amount_minor)
    if wish.next == "give":
        await _want(hub, session, card, amount_minor, wish.attempt)
        # Of two wishes at once one made the row; the other finds it, and is told what it means.
        wish = await _wish(hub, session, card, amount_minor)
    if wish.next == "other_amount":
        raise Refused(Code.CONFLICT, "A tip of another amount was given for this session.")
    return await _decided(hub, session)


async def _session(hub: Hub, who: UserId, session_id: SessionId) -> Tipping:
    async with acting_as(hub.pool, who) as connection:
        session = await tips.tipping(connection, session_id)
    if session is None:
        raise Refused(Code.NOT_FOUND, "There is no such thing, or it is not yours.")
    if not session.complete or session.ended_at_ms is None:
        raise Refused(Code.CONFLICT, "A tip can be given once the session is over and settled.")
    state = tip.is_open(session.end_reason, session.ended_at_ms, hub.now_ms())
    # Who had left a live room before its host was put out gets back what they paid, and gives nothing more.
    wronged = session.whole_end_reason is not None and who_pays.row(session.whole_end_reason).tip == "closed"
    if state == "closed" or wronged or session.live_at_ms is None:
        raise Refused(Code.CONFLICT, "No tip can be given for this session.")
    if state == "late":
        raise Refused(Code.EXPIRED, "A tip can be given within 30 days.")
    return session


async def _card(hub: Hub, who: UserId, session: Tipping, amount_minor: int) -> Card:
    if not tip.is_amount(amount_minor, session.currency):
        least, most = (money.show(bound, session.currency) for bound in tip.bounds_minor(session.currency))
        reason = f"expected {least} to {most}"
        raise Refused(Code.BAD_REQUEST, f"amount_minor: {reason}", fields={"amount_minor": reason})
    card = await people.card(hub.pool, who)
    if card is None:
        raise Refused(Code.PAYMENT_REQUIRED, "Save a card first.")
    return card


async def _wish(hub: Hub, session: Tipping, card: Card, amount_minor: int) -> tip.Wish:
    known = await tips.tips(hub.pool, session.session_id, session.participant_no)
    return tip.wish(known, amount_minor, card.stripe_payment_method)


async def _want(hub: Hub, session: Tipping, card: Card, amount_minor: int, attempt: int) -> None:
    now_ms = hub.now_ms()
    destination = await settlements.destination(hub.pool, session.practitioner_id)
    at_ms = now_ms + hub.offer.transfer_delay_ms
    share = None if destination is None else Share(amount_minor, destination, at_ms)
    wanted = requests.charge(
        session.session_id,
        session.participant_no,
        ordinal=1,
        amount_minor=amount_minor,
        currency=session.currency,
        customer=card.stripe_customer,
        payment_method=card.stripe_payment_method,
        share=share,
        at_ms=now_ms,
        kind=Kind.TIP,
        attempt=attempt,
    )
    await operations.insert_operations(
        hub.pool, hub.offer.environment, session.session_id, session.participant_no, [wanted], now_ms=now_ms
    )


async def _decided(hub: Hub, session: Tipping) -> Operation:
    deadline_ms = hub.now_ms() + hub.offer.hold_ack_s * 1000
    while True:
        last = (await tips.tips(hub.pool, session.session_id, session.participant_no))[-1]
        if last.state is State.FAILED:
            raise Refused(Code.CARD_DECLINED, "Your card was declined, and nothing was charged.")
        if last.state in TERMINAL or hub.now_ms() >= deadline_ms:
            return last
        await asyncio.sleep(LOOK_S)
