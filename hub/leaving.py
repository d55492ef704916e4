"""Somebody wants to be erased: what is noted at once, what is told them, and what does not begin any more.

Until the grace is over nothing is lost, and they may take it back. What runs goes on to its end.
"""

from typing import Final

import asyncpg
import msgspec
import uuid_utils
from msgspec import Struct

from hub import words
from hub.bookings.calling_off import call_off_all
from hub.edge.auth import Principal
from hub.edge.connection import Connection
from hub.edge.fanout import deliver, frame
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.lobby.closing import close_rooms_of_leaving
from hub.outbound import Notice
from hub.workers.accounts import take_offline
from rooms.ids import UserId
from store.postgres import audit, erasures
from store.postgres.erasures import DAY_MS, VENDORS_MS, Standing
from store.postgres.pool import Db
from store.redis.notices import LEAVING

FRESH_S: Final = 600
"""So long after signing in somebody counts as the person themselves for what cannot be taken back."""
EVENT: Final = "notice"

REQUESTED: Final = "erasure_requested"
CANCELLED: Final = "erasure_cancelled"


class _OnItsWay(Struct, frozen=True):
    """What is told between hubs."""

    code: str


async def require_staying(pool: asyncpg.Pool, user_id: str) -> None:
    """Nothing new begins for whoever is to be erased. Raises Refused(forbidden)."""
    if await erasures.pending(pool, user_id):
        said = words.in_each("erasure")
        raise Refused(Code.FORBIDDEN, said["en"], fields=said)


def require_fresh(who: Principal, *, now_ms: int) -> None:
    """Whoever asks signed in just now, with what only they know. Raises Refused(forbidden)."""
    if now_ms // 1000 - who.signed_in_at_s > FRESH_S:
        said = words.in_each("sign_in_again")
        raise Refused(Code.FORBIDDEN, said["en"], fields=said)


async def request(hub: Hub, who: Principal) -> Standing:
    """Somebody wants to be erased; how that stands. Repeated, it is the same one. Raises as
    `require_fresh`.
    """
    standing = await open_one(hub.pool, who.user_id)
    if standing is not None:
        return standing
    now_ms = hub.now_ms()
    require_fresh(who, now_ms=now_ms)
    return await order(hub, who.user_id, source="self", ordered_by=None, received_at_ms=now_ms)


async def order(
    hub: Hub,
    user_id: UserId,
    *,
    source: erasures.Source,
    ordered_by: Principal | None,
    received_at_ms: int,
    reason: str | None = None,
) -> Standing:
    """Note the wish, take them offline, call off what they have ahead, tell them. `reason` is an admin's: why
    they are sure who asked.
    """
    now_ms = hub.now_ms()
    # However late it is on record: whoever was taken for somebody else has a day to say so.
    least_ms = min(hub.erasure_grace_ms, DAY_MS)
    until_ms = max(now_ms + least_ms, min(now_ms + hub.erasure_grace_ms, received_at_ms + VENDORS_MS))
    receipt = str(uuid_utils.uuid7())
    async with hub.pool.acquire() as connection, connection.transaction():
        made = await erasures.order(
            connection,
            receipt=receipt,
            user_id=user_id,
            source=source,
            ordered_by=None if ordered_by is None else ordered_by.user_id,
            session_id=None,
            received_at_ms=received_at_ms,
            now_ms=now_ms,
            cancellable_until_ms=until_ms,
            from_ms=until_ms,
        )
        if made:
            await _audit(connection, hub, "erasure_ordered", receipt, user_id, ordered_by, source, reason)
    standing = await _noted(hub.pool, user_id)
    if made:
        await take_offline(hub.people, hub.directory, user_id)
        hub.watchers.went_offline(user_id, hub.sockets_of(user_id))
        # What this process does not get to, the worker's duties do.
        await call_off_all(hub.pool, hub.live, hub.people, user_id, now_ms=hub.now_ms)
        await close_rooms_of_leaving(hub.pool, hub.live)
        await _tell(hub, user_id, REQUESTED)
    return standing


async def by_mail(
    hub: Hub, user_id: UserId, admin: Principal, *, received_at_ms: int, reason: str
) -> Standing:
    """A wish that came by e-mail; how that stands. One that is open counts from the earlier of both."""
    if await open_one(hub.pool, user_id) is None:
        return await order(
            hub, user_id, source="email", ordered_by=admin, received_at_ms=received_at_ms, reason=reason
        )
    async with hub.pool.acquire() as connection, connection.transaction():
        receipt = await erasures.came_earlier(connection, user_id, received_at_ms=received_at_ms)
        if receipt is not None:
            await _audit(connection, hub, "erasure_ordered", receipt, user_id, admin, "email", reason)
    return await _noted(hub.pool, user_id)


async def cancel(hub: Hub, who: Principal) -> Standing:
    """They stay. Also when that was said before. Raises Refused: `not_found`, or `conflict` when it is too
    late.
    """
    now_ms = hub.now_ms()
    async with hub.pool.acquire() as connection, connection.transaction():
        receipt = await erasures.cancel(connection, who.user_id, now_ms=now_ms)
        if receipt is not None:
            await _audit(connection, hub, "erasure_cancelled", receipt, who.user_id, None, "self", None)
    standing = await erasures.latest(hub.pool, who.user_id)
    if standing is None:
        raise Refused(Code.NOT_FOUND, "There is no request to be erased.")
    if standing.state != "cancelled":
        raise Refused(Code.CONFLICT, "It is too late to take this back.")
    if receipt is not None:
        await _tell(hub, who.user_id, CANCELLED)
    return standing


async def _audit(
    db: Db,
    hub: Hub,
    action: str,
    receipt: str,
    user_id: UserId,
    admin: Principal | None,
    source: str,
    reason: str | None,
) -> None:
    """By its number where somebody acts for themselves: the audit keeps for ever what it is told. What an
    admin writes is about a person, under whose key it is sealed.
    """
    await audit.append(
        db,
        actor_id=receipt if admin is None else admin.user_id,
        actor_role="person" if admin is None else admin.role,
        action=action,
        subject_id=receipt if admin is None else user_id,
        session_id=None,
        detail={"because": source, **({} if reason is None else {"reason": reason})},
        now_ms=hub.now_ms(),
        keyring=hub.keyring,
    )


async def open_one(pool: asyncpg.Pool, user_id: str) -> Standing | None:
    """The erasure of somebody's that is neither done nor taken back."""
    standing = await erasures.latest(pool, user_id)
    return None if standing is None or standing.state in ("cancelled", "done") else standing


async def _noted(pool: asyncpg.Pool, user_id: str) -> Standing:
    """The one that was noted just now. Raises Refused(conflict)."""
    standing = await open_one(pool, user_id)
    if standing is None:
        raise Refused(Code.CONFLICT, "This was taken back just now; ask again.")
    return standing


async def _tell(hub: Hub, user_id: UserId, code: str) -> None:
    await hub.notices.tell(user_id, msgspec.msgpack.encode(_OnItsWay(code)), kind=LEAVING)


def hear(connections: list[Connection], payload: bytes) -> None:
    """It came over a person's channel: pass it on to their sockets here, each in its language."""
    code = msgspec.msgpack.decode(payload, type=_OnItsWay).code
    for connection in connections:
        body = Notice(code, words.WORDS[connection.language].notices[code])
        deliver(frame(EVENT, msgspec.json.encode(body)), [connection])
