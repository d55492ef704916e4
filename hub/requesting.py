"""How a request becomes a session. Every step is repeatable, so a repeated request goes on where it was.

    bind request_id → reserve guest → reserve practitioner → open the room → confirm both
    → record it with its hold in Postgres → (a worker places the hold) → answer

The practitioner is reserved before any money moves: of two guests the loser has no hold. A hub that dies on
the way leaves reservations that expire, or a room whose deadline cancels it.
"""

from functools import partial

import uuid_utils
from msgspec.structs import replace

from billing import holds, money, requests
from hub import eligible, views, waiting, wire, words
from hub.bookings import calendars
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.leaving import require_staying
from hub.money import deal
from hub.safety import blocks
from hub.safety.judging import require_no_open_question
from hub.survival.checkpoints import checkpoint
from rooms import session
from rooms.errors import AlreadyInSession, Busy, NotFound
from rooms.ids import SessionId, UserId
from rooms.room import OVER, Room, State
from store.postgres import people as people_records
from store.postgres import receivables
from store.postgres import sessions as session_records
from store.records import Card, Practice


async def request(hub: Hub, who: Principal, asked: wire.RequestSession) -> wire.Requested:
    """A guest asks for an instant session.

    Raises Refused or RoomError with `not_found`, `blocked`, `offline`, `busy`, `conflict`,
    `payment_required`, `card_declined`, `underage` or `policy_pending`.
    """
    practitioner_id = UserId(asked.practitioner_id)
    session_id = await hub.people.first_request(
        who.user_id, asked.request_id, SessionId(str(uuid_utils.uuid7()))
    )
    room = await _already(hub, who, session_id)
    if room is None:
        try:
            room = await _begin(hub, who, session_id, practitioner_id, asked.cap_minor)
        except Exception:
            # Nothing came of it, or it was taken back: the same request_id may ask again.
            await hub.people.forget_request(who.user_id, asked.request_id)
            raise
    return await _answer(hub, room)


async def _already(hub: Hub, who: Principal, session_id: SessionId) -> Room | None:
    loaded = await hub.live.rooms.load(session_id)
    if loaded is None:
        return None
    if loaded.room.participant(who.user_id) is None:
        raise NotFound
    return loaded.room


async def _begin(
    hub: Hub, who: Principal, session_id: SessionId, practitioner_id: UserId, cap_minor: int | None
) -> Room:
    practice, card, name = await _both_sides(hub, who, practitioner_id)
    await blocks.require_none(hub.pool, who.user_id, practitioner_id)
    await require_no_open_question(hub.pool, who.user_id)
    await require_staying(hub.pool, who.user_id)
    await waiting.require_turn(hub, who.user_id, practitioner_id)
    await require_nothing_owed(hub, who.user_id)
    until_ms = await calendars.require_quiet(hub, who.user_id, practitioner_id)
    # What can't be agreed is refused before anybody is reserved.
    asked = deal.terms(hub, practice, cap_minor, free_ms=0)
    if asked.kind != "free" and card is None:
        raise Refused(Code.PAYMENT_REQUIRED, "Save a card first; nothing is charged before the session.")
    await reserve(hub, who.user_id, session_id, must_be_online=False)
    try:
        await reserve(hub, practitioner_id, session_id, must_be_online=True)
        free_ms = await deal.granted_ms(hub, practice, who.user_id, card, session_id)
        change = session.request(
            session_id,
            practitioner=(practitioner_id, practice.name),
            guest=(who.user_id, name),
            terms=replace(asked, free_ms=free_ms),
            limits=hub.offer.limits,
            until_ms=until_ms,
            now_ms=await hub.live.rooms.now_ms(),
        )
        room = await hub.live.rooms.create(change)
    except BaseException:
        await _release(hub, session_id, who.user_id, practitioner_id)
        if practice.free_s:
            await deal.give_back(hub, who.user_id, session_id)
        raise
    await _confirm(hub, room)
    await _record(hub, room, card)
    await waiting.leave(hub.pool, who.user_id, practitioner_id)
    return room


async def require_nothing_owed(hub: Hub, guest_id: UserId) -> None:
    """Raises Refused with `payment_required`; its `fields` say it in each other language as well."""
    owed: dict[str, int] = {}
    for one in await receivables.owed(hub.pool, guest_id):
        owed[one.currency] = owed.get(one.currency, 0) + one.amount_minor
    if owed:
        amount = ", ".join(money.show(minor, currency) for currency, minor in sorted(owed.items()))
        said = {str(language): words.owed(amount, language) for language in words.LANGUAGES}
        raise Refused(Code.PAYMENT_REQUIRED, said["en"], fields=said)


async def _both_sides(hub: Hub, who: Principal, practitioner_id: UserId) -> tuple[Practice, Card | None, str]:
    me = await eligible.to_take_part(hub, who.user_id)
    practice = await people_records.practice(hub.pool, practitioner_id)
    if practice is None or practice.verified_at_ms is None:
        raise NotFound
    if not practice.accepts_instant or not practice.transfers_active:
        raise Refused(Code.OFFLINE, "This practitioner takes no instant sessions just now.")
    return practice, await people_records.card(hub.pool, who.user_id), me.name


async def reserve(hub: Hub, user_id: UserId, session_id: SessionId, *, must_be_online: bool) -> None:
    """Reserve somebody for a session for a while. Raises Busy where they had to be online, else
    AlreadyInSession; Offline.
    """
    held = await hub.people.reserve(user_id, session_id, must_be_online=must_be_online)
    if held is not None and held.confirmed and not await hub.live.holds(held.session_id, user_id):
        held = await hub.people.reserve(
            user_id, session_id, must_be_online=must_be_online, over=held.session_id
        )
    if held is not None:
        raise Busy if must_be_online else AlreadyInSession
    if must_be_online:
        await hub.directory.show(await hub.people.standing(user_id))


async def _release(hub: Hub, session_id: SessionId, guest_id: UserId, practitioner_id: UserId) -> None:
    await hub.people.release(guest_id, session_id)
    await hub.directory.show(await hub.people.release(practitioner_id, session_id))


async def _confirm(hub: Hub, room: Room) -> None:
    for person in room.people:
        await hub.people.confirm(person.user_id, room.id)


async def _record(hub: Hub, room: Room, card: Card | None) -> None:
    """On record with the hold it needs; when that fails there is no session, and nothing was held."""
    hold = None
    amount_minor = holds.first_hold_minor(room.terms)
    if amount_minor > 0 and card is not None:
        hold = requests.hold(
            room.id,
            room.guests[0].no,
            ordinal=1,
            amount_minor=amount_minor,
            currency=room.terms.currency,
            customer=card.stripe_customer,
            payment_method=card.stripe_payment_method,
            return_url=hub.offer.return_url,
            at_ms=room.requested_at_ms,
            abandon_at_ms=room.requested_at_ms + room.limits.hold_ms,
        )
    try:
        await session_records.insert_request(
            hub.pool,
            room,
            environment=hub.offer.environment,
            hold=hold,
            seen=checkpoint(room, hub.epoch()),
            now_ms=hub.now_ms(),
        )
    except BaseException:
        await hub.live.change(room.id, partial(session.cancel, who=room.guests[0].user_id))
        raise


async def _answer(hub: Hub, room: Room) -> wire.Requested:
    """Answer once the hold's outcome is known, or as `pending` when that takes too long."""
    followed = await hub.follows.follow(room.id)
    deadline_ms = hub.now_ms() + hub.offer.hold_ack_s * 1000
    while True:
        loaded = await hub.live.rooms.require(room.id)
        guest = loaded.room.guests[0]
        undecided = guest.hold is not None and guest.hold.status == "pending"
        left_s = (deadline_ms - hub.now_ms()) / 1000
        if loaded.room.state is not State.REQUESTED or not undecided or left_s <= 0 or followed is None:
            break
        await hub.follows.next_change(followed, after=loaded.room.version, timeout_s=min(left_s, 1.0))
    if loaded.room.state in OVER and loaded.room.end_reason == "card_declined":
        raise Refused(Code.CARD_DECLINED, "Your card was declined. Nothing is held; try another card.")
    return wire.Requested(views.session(loaded.room), views.hold(guest))
