"""Blocks: one person wants nothing to do with another, and that holds for both.

The one who is blocked is never told: they find the other absent, or `blocked` where they insist.
"""

from contextlib import suppress
from functools import partial
from typing import Final

import msgpack

from hub.errors import Code, Refused
from hub.hub import Hub
from hub.safety.block_cache import BLOCKS
from rooms import booked, lobby, session
from rooms.departure import Proofs
from rooms.errors import IllegalTransition, NotFound, NotLive
from rooms.ids import SessionId, UserId
from rooms.news import Change
from rooms.room import OVER, Room, State
from store.postgres import blocks as rows
from store.postgres.pool import Db, acting_as

MOST: Final = 1_000
"""How many people one person may have blocked."""


async def between(db: Db, one: UserId, other: UserId) -> bool:
    """Whether either blocked the other."""
    return await rows.is_between(db, one, other)


async def require_none(db: Db, one: UserId, other: UserId) -> None:
    """Raises Refused(blocked) where either blocked the other; it does not say which."""
    if await rows.is_between(db, one, other):
        raise blocked()


def blocked() -> Refused:
    """What whoever insists is told, on either side."""
    return Refused(Code.BLOCKED, "This is not possible between the two of you.")


async def block(hub: Hub, who: UserId, other: UserId) -> rows.BlockRecord:
    """Block somebody, and end what the two have open with each other. Repeated, it changes nothing.

    Raises NotFound for whom they cannot know of, for staff and for themselves; Refused(conflict) at `MOST`.
    """
    async with acting_as(hub.pool, who) as connection:
        known = await rows.own_block(connection, other)
        blockable = known is not None or await rows.blockable(connection, other)
    if not blockable:
        raise NotFound
    if known is None:
        await rows.insert_block(hub.pool, who, other, now_ms=hub.now_ms(), most=MOST)
        async with acting_as(hub.pool, who) as connection:
            known = await rows.own_block(connection, other)
    if known is None:
        raise Refused(Code.CONFLICT, f"You have blocked {MOST} people, which is as many as can be kept.")
    await _tell_both(hub, who, other)
    await _end_between(hub, who, other)
    return known


async def unblock(hub: Hub, who: UserId, other: UserId) -> None:
    """Take one's own block back; what the other blocked stays. Repeated, it changes nothing."""
    if await rows.delete_block(hub.pool, who, other):
        await _tell_both(hub, who, other)


async def _tell_both(hub: Hub, one: UserId, other: UserId) -> None:
    for user_id, about in ((one, other), (other, one)):
        await hub.people.publish(user_id, msgpack.packb([BLOCKS, about], use_bin_type=False))


async def _end_between(hub: Hub, who: UserId, other: UserId) -> None:
    """The open session of the two ends as if `who` had ended it, and is paid for just so."""
    session_id = await hub.people.held_by(who)
    loaded = None if session_id is None else await hub.live.rooms.load(session_id)
    if loaded is None:
        return
    if loaded.room.kind == "live_room":
        await _part(hub, loaded.room, who, other)
    elif _is_between(loaded.room, who, other):
        await _end(hub, loaded.room, who)


async def _part(hub: Hub, room: Room, who: UserId, other: UserId) -> None:
    """A guest leaves the live room of a host whom they block, and one whom the host blocks is removed. Two
    guests stay, each as they are: neither chose the other's company.
    """
    host = room.practitioner.user_id
    if host not in (who, other) or room.participant(who) is None or room.participant(other) is None:
        return

    def decide(room: Room, proofs: Proofs, now_ms: int) -> Change:
        if who == host:
            return lobby.remove(room, host, other, proofs=proofs, now_ms=now_ms)
        return session.end(room, who, proofs=proofs, now_ms=now_ms)

    with suppress(NotLive):
        await hub.live.change_with_proofs(room.id, decide)


async def _end(hub: Hub, room: Room, who: UserId) -> None:
    """A request is taken back or turned down; it may be accepted in that very moment, and is ended then."""
    decide = session.cancel if room.guests[0].user_id == who else session.decline
    if room.booked is not None and room.state in (State.REQUESTED, State.WAITING):
        await hub.live.change_with_proofs(room.id, _call_off)
        return
    if room.state is State.REQUESTED:
        try:
            await hub.live.change(room.id, partial(decide, who=who))
        except IllegalTransition:
            await _leave(hub, room.id, who)
        return
    await _leave(hub, room.id, who)


async def _leave(hub: Hub, session_id: SessionId, who: UserId) -> None:
    def decided(room: Room, proofs: Proofs, now_ms: int) -> Change:
        return session.end(room, who, proofs=proofs, now_ms=now_ms)

    await hub.live.change_with_proofs(session_id, decided)


def _call_off(room: Room, proofs: Proofs, now_ms: int) -> Change:
    """A booking that two who block each other have: nobody pays for it."""
    return booked.call_off(room, "booking_called_off", proofs=proofs, now_ms=now_ms)


def _is_between(room: Room, who: UserId, other: UserId) -> bool:
    if room.state in OVER:
        return False
    return room.participant(who) is not None and room.participant(other) is not None
