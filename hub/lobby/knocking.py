"""How somebody gets into the lobby of a live room. Every step is repeatable.

    reserve the guest → knock at the room → confirm → record the knock with its hold
    → (a worker places the hold) → answer once that is known

The room says who is in; the guest's own lock keeps them out of any other session meanwhile.
"""

from functools import partial
from typing import Final

from msgspec import UNSET

from billing import holds, requests
from hub import eligible, requesting, views
from hub.bookings import calendars
from hub.edge.connection import Connection
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.leaving import require_staying
from hub.routes.answer import bad_request
from hub.safety import blocks
from hub.safety.judging import require_no_open_question
from hub.wire_live_rooms import Knock, Knocked
from rooms import lobby
from rooms.errors import NotFound
from rooms.ids import SessionId
from rooms.room import OVER, Participant, Room
from store.postgres import live_rooms
from store.postgres import people as people_records
from store.records import Card

LOOK_S: Final = 1.0


async def knock(hub: Hub, connection: Connection, asked: Knock) -> Knocked:
    """Ask to be let in. Raises Refused or RoomError: `not_found`, `not_live`, `conflict`, `blocked`,
    `payment_required`, `card_declined`, `underage`, `policy_pending`.
    """
    session_id = SessionId(asked.session_id)
    room = (await hub.live.rooms.require(session_id)).room
    if room.kind != "live_room":
        raise NotFound
    me = room.participant(connection.user_id)
    if me is None or (me.lobby == "refused" and me.knock_id != asked.request_id):
        room = await _begin(hub, connection, room, asked)
    elif me.lobby == "waiting":
        room = await _knock(hub, connection, room, me.name, asked)
    return await _answer(hub, connection, room)


async def _begin(hub: Hub, connection: Connection, room: Room, asked: Knock) -> Room:
    who = connection.user_id
    # What the room refuses, it refuses before anything else is looked at.
    lobby.knock(
        room,
        (who, ""),
        request_id=asked.request_id,
        connection=connection.id,
        hub=hub.here(),
        now_ms=await hub.live.rooms.now_ms(),
    )
    profile = await eligible.to_take_part(hub, who)
    await blocks.require_none(hub.pool, who, room.practitioner.user_id)
    await require_no_open_question(hub.pool, who)
    await require_staying(hub.pool, who)
    await requesting.require_nothing_owed(hub, who)
    await calendars.require_own_quiet(hub, who)
    card = await people_records.card(hub.pool, who)
    priced = room.terms.kind != "free"
    if priced and card is None:
        raise Refused(Code.PAYMENT_REQUIRED, "Save a card first; nothing is charged before you are let in.")
    _check_cap(room, asked.cap_minor)
    await requesting.reserve(hub, who, room.id, must_be_online=False)
    try:
        known = await _knock(hub, connection, room, profile.name, asked)
        await hub.people.confirm(who, room.id)
    except BaseException:
        # Unless the room has them, by another line of theirs.
        if not await hub.live.holds(room.id, who):
            await hub.people.release(who, room.id)
        raise
    try:
        await _record(hub, known, _part(known, connection), card)
    except BaseException:
        await hub.live.change(room.id, partial(lobby.take_back, who=who))
        raise
    return known


async def _knock(hub: Hub, connection: Connection, room: Room, name: str, asked: Knock) -> Room:
    """The knock itself; it lasts while some line of theirs does."""
    decide = partial(
        lobby.knock,
        who=(connection.user_id, name),
        request_id=asked.request_id,
        connection=connection.id,
        hub=hub.here(),
        cap_minor=asked.cap_minor,
    )
    known = (await hub.live.change(room.id, decide)).room
    if connection.closed:
        hub.presence.owe(room.id, connection)
    elif _part(known, connection).lobby == "waiting":
        hub.presence.wait(room.id, connection)
    return known


async def _record(hub: Hub, room: Room, guest: Participant, card: Card | None) -> None:
    """On record with the hold it needs; when that fails nobody knocked, and nothing was held."""
    hold = None
    amount_minor = holds.first_hold_minor(room.of(guest).terms)
    if amount_minor > 0 and card is not None:
        hold = requests.hold(
            room.id,
            guest.no,
            ordinal=guest.holds_from,
            amount_minor=amount_minor,
            currency=room.terms.currency,
            customer=card.stripe_customer,
            payment_method=card.stripe_payment_method,
            return_url=hub.offer.return_url,
            at_ms=guest.knocked_at_ms,
            abandon_at_ms=guest.knocked_at_ms + room.limits.hold_ms,
        )
    await live_rooms.insert_knock(
        hub.pool, room, guest, environment=hub.offer.environment, hold=hold, now_ms=hub.now_ms()
    )


async def _answer(hub: Hub, connection: Connection, room: Room) -> Knocked:
    """Answer once the hold's outcome is known, or as `pending` when that takes too long."""
    followed = await hub.follows.follow(room.id)
    deadline_ms = hub.now_ms() + hub.offer.hold_ack_s * 1000
    while True:
        loaded = await hub.live.rooms.require(room.id)
        me = _part(loaded.room, connection)
        undecided = me.lobby == "waiting" and me.hold is not None and me.hold.status == "pending"
        left_s = (deadline_ms - hub.now_ms()) / 1000
        if loaded.room.state in OVER or not undecided or left_s <= 0 or followed is None:
            break
        await hub.follows.next_change(followed, after=loaded.room.version, timeout_s=min(left_s, LOOK_S))
    if me.lobby == "refused" and me.end_reason == "card_declined":
        raise Refused(Code.CARD_DECLINED, "Your card was declined. Nothing is held; try another card.")
    return Knocked(
        state=views.lobby_state(me),
        hold=views.hold(me),
        session=views.session(loaded.room),
        reason=me.end_reason or UNSET if me.lobby == "refused" else UNSET,
    )


def _check_cap(room: Room, cap_minor: int | None) -> None:
    if cap_minor is None:
        return
    if room.terms.kind != "per_minute":
        raise bad_request("cap_minor", "this room has no price by the minute")
    if cap_minor < room.terms.minimum_minor:
        raise bad_request("cap_minor", f"expected at least {room.terms.minimum_minor}")


def _part(room: Room, connection: Connection) -> Participant:
    me = room.participant(connection.user_id)
    if me is None:
        raise NotFound
    return me
