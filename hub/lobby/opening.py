"""How a host opens a live room. Every step is repeatable, so a repeated request goes on where it was.

    bind request_id → (begins at once: reserve the host) → open the room → confirm → record it in Postgres

A room that begins later takes its host's lock when they come in.
"""

from functools import partial
from typing import Final

import uuid_utils
from msgspec import UNSET
from msgspec.structs import replace

from billing import money, price
from hub import eligible, requesting, views
from hub.bookings import calendars
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.leaving import require_staying
from hub.lobby.titles import said_title, seal_title
from hub.money.deal import CAP_MAX_MINOR, default_cap_minor
from hub.routes.answer import bad_request
from hub.safety.judging import require_no_open_question
from hub.survival.checkpoints import checkpoint
from hub.wire_live_rooms import AskedPrice, LiveRoom, OpenRoom
from rooms import lobby, session
from rooms.errors import NotFound
from rooms.ids import SessionId, UserId
from rooms.room import OVER, Room, Terms
from store.postgres import live_rooms
from store.postgres import people as people_records
from store.records import Practice

OPEN_MOST: Final = 20
"""Rooms of one host that are open or to come."""
AHEAD_MAX_MS: Final = 30 * 86_400_000
FLAT_AFTER_MS: Final = 120_000
"""A flat price is due once a guest was in together with the host for this long; before that, nothing."""


async def open_room(hub: Hub, who: Principal, asked: OpenRoom) -> LiveRoom:
    """Open a live room. Raises Refused or RoomError: `bad_request`, `forbidden`, `conflict`, `underage`,
    `policy_pending`.
    """
    session_id = SessionId(str(uuid_utils.uuid7()))
    if asked.request_id is not None:
        session_id = await hub.people.first_request(who.user_id, asked.request_id, session_id)
        known = await hub.live.rooms.load(session_id)
        if known is not None:
            if known.room.practitioner.user_id != who.user_id or known.room.kind != "live_room":
                raise NotFound
            return live_room(known.room, asked.title)
    try:
        room = await _open(hub, who, session_id, asked)
    except Exception:
        if asked.request_id is not None:
            await hub.people.forget_request(who.user_id, asked.request_id)
        raise
    return live_room(room, said_title(hub, asked.title))


async def _open(hub: Hub, who: Principal, session_id: SessionId, asked: OpenRoom) -> Room:
    me = await eligible.to_take_part(hub, who.user_id)
    await require_no_open_question(hub.pool, who.user_id)
    await require_staying(hub.pool, who.user_id)
    practice = await _practice(hub, who.user_id, asked.price)
    title = said_title(hub, asked.title)
    agreed = terms(hub, practice, asked.price)
    now_ms = await hub.live.rooms.now_ms()
    starts_at_ms = _starts_at_ms(asked.starts_at_ms, now_ms)
    if await live_rooms.count_open(hub.pool, who.user_id) >= OPEN_MOST:
        raise Refused(Code.CONFLICT, f"You have {OPEN_MOST} rooms open or to come; that is the most.")
    # What begins now is over when the host's next booking begins; what begins later, once the host comes.
    until_ms = None if starts_at_ms is not None else await calendars.require_own_quiet(hub, who.user_id)
    if starts_at_ms is None:
        await requesting.reserve(hub, who.user_id, session_id, must_be_online=False)
    change = lobby.open_room(
        session_id,
        host=(who.user_id, me.name),
        terms=agreed,
        limits=replace(hub.offer.limits, join_ms=hub.offer.live_join_ms),
        seats=asked.seats,
        history=asked.history,
        starts_at_ms=starts_at_ms,
        now_ms=now_ms,
    )
    try:
        room = await hub.live.rooms.create(replace(change, room=replace(change.room, until_ms=until_ms)))
        if starts_at_ms is None:
            await hub.people.confirm(who.user_id, session_id)
            await hub.directory.show(await hub.people.standing(who.user_id))
        sealed = await seal_title(hub, room, title)
        await live_rooms.insert_live_room(hub.pool, room, sealed, checkpoint(room, hub.epoch()))
    except BaseException:
        await _take_back(hub, who.user_id, session_id)
        raise
    return room


async def _take_back(hub: Hub, host_id: UserId, session_id: SessionId) -> None:
    """It is not on record, so there is no room."""
    try:
        await hub.live.change(session_id, partial(session.end, who=host_id, proofs={}))
    except NotFound:
        await hub.directory.show(await hub.people.release(host_id, session_id))


async def hold_host(hub: Hub, room: Room) -> None:
    """The host comes into their room: it holds them from now on. Raises AlreadyInSession."""
    host_id = room.practitioner.user_id
    if room.state in OVER or await hub.people.held_by(host_id) == room.id:
        return
    until_ms = await calendars.require_own_quiet(hub, host_id)
    await requesting.reserve(hub, host_id, room.id, must_be_online=False)
    if until_ms is not None:
        await hub.live.change(room.id, partial(session.bound, until_ms=until_ms))
    await hub.people.confirm(host_id, room.id)
    await hub.directory.show(await hub.people.standing(host_id))


async def _practice(hub: Hub, host_id: UserId, asked: AskedPrice) -> Practice:
    """The practice of somebody who may open a room at a price. Raises Refused(forbidden)."""
    practice = await people_records.practice(hub.pool, host_id)
    if practice is None or practice.verified_at_ms is None:
        raise Refused(Code.FORBIDDEN, "Your practice has to be verified first.")
    if asked.kind != "free" and not practice.transfers_active:
        raise Refused(Code.FORBIDDEN, "Finish your payout onboarding first; until then your rooms are free.")
    return practice


def terms(hub: Hub, practice: Practice, asked: AskedPrice) -> Terms:
    """What every guest of the room agrees to. Raises Refused(bad_request, conflict)."""
    currency = practice.currency
    if currency not in money.CURRENCIES and asked.kind != "free":
        raise Refused(Code.CONFLICT, "Payments in this currency are not possible.")
    if asked.currency is not UNSET and asked.currency != currency:
        raise bad_request("price.currency", f"expected {currency}, your practice's own")
    if asked.kind == "free":
        if asked.amount_minor:
            raise bad_request("price.amount_minor", "expected 0 in a free room")
        return Terms("free", currency, 0, 0, hub.offer.fee_bps, 0, 0)
    least_minor = money.minimum_charge_minor(currency)
    by_minute = asked.kind == "per_minute"
    cap_minor = default_cap_minor(currency, asked.amount_minor) if by_minute else asked.amount_minor
    agreed = Terms(
        kind=asked.kind,
        currency=currency,
        rate_minor_per_minute=asked.amount_minor if by_minute else 0,
        free_ms=0,
        fee_bps=hub.offer.fee_bps,
        minimum_minor=least_minor,
        cap_minor=cap_minor,
        hold_minutes=hub.offer.hold_minutes,
        flat_after_ms=0 if by_minute else FLAT_AFTER_MS,
    )
    if asked.amount_minor < (1 if by_minute else price.least_minor(agreed)):
        raise bad_request("price.amount_minor", f"expected at least {1 if by_minute else least_minor}")
    if agreed.cap_minor > CAP_MAX_MINOR or money.down(asked.amount_minor, currency) != asked.amount_minor:
        raise bad_request("price.amount_minor", "not an amount that can be charged")
    return agreed


def _starts_at_ms(asked_ms: int | None, now_ms: int) -> int | None:
    if asked_ms is None or (asked_ms <= now_ms and now_ms - asked_ms < lobby.EARLY_MS):
        return None
    if not now_ms < asked_ms <= now_ms + AHEAD_MAX_MS:
        raise bad_request("starts_at_ms", "expected a time within the next 30 days")
    return asked_ms


def live_room(room: Room, title: str) -> LiveRoom:
    """A room as everybody may find it."""
    shown = views.session(room)
    return LiveRoom(
        id=room.id,
        session_id=room.id,
        kind="live_room",
        title=title,
        practitioner=shown.practitioner,
        state=room.state,
        seats=room.seats,
        taken=lobby.seated(room),
        price=shown.price,
        history=room.history,
        starts_at_ms=room.starts_at_ms,
        requested_at_ms=room.requested_at_ms,
        live_at_ms=room.live_at_ms,
        version=room.version,
        session=shown,
    )
