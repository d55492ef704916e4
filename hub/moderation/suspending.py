"""Keeping a person out: refused at the door, dropped where they are, on every hub.

The record decides. The live store remembers who is suspended, so that nobody else's connecting costs a query;
whoever seems suspended there is looked up, so that a memory which is wrong keeps nobody out.
"""

from collections.abc import Callable, Collection
from typing import Protocol

import asyncpg
import structlog

from hub.edge.connection import Connection
from hub.errors import Code, Refused
from rooms.ids import UserId
from store.moderation_records import Suspension
from store.postgres import suspensions
from store.redis.moderation import Moderation

log = structlog.get_logger()

REASON = "Your account is suspended."
PAGE = 500

SocketsOf = Callable[[UserId], Collection[Connection]]
"""A person's sockets on this hub."""


class Doorkeeping(Protocol):
    """What it takes to know who is suspended."""

    @property
    def pool(self) -> asyncpg.Pool:
        """The record."""

    @property
    def moderation(self) -> Moderation:
        """The memory."""

    @property
    def now_ms(self) -> Callable[[], int]:
        """Unix milliseconds."""


async def suspension(parts: Doorkeeping, user_id: UserId) -> Suspension | None:
    """What keeps the person out, if anything does. Raises the stores' errors: then nobody is let in."""
    if await parts.moderation.suspended_until(user_id) is None:
        return None
    found = await suspensions.current(parts.pool, user_id, now_ms=parts.now_ms())
    if found is None:
        await parts.moderation.lift(user_id)
    return found


async def require_welcome(parts: Doorkeeping, user_id: UserId) -> None:
    """Raises Refused(suspended), with the time until which it lasts, if it ends."""
    found = await suspension(parts, user_id)
    if found is not None:
        raise Refused(Code.SUSPENDED, REASON, until_ms=found.until_ms)


async def require_unsuspended(parts: Doorkeeping, user_id: UserId) -> None:
    """For what a suspended person may not do over HTTP. Raises Refused(forbidden)."""
    if await suspension(parts, user_id) is not None:
        raise Refused(Code.FORBIDDEN, REASON)


async def drop_suspended(parts: Doorkeeping, connections: Collection[Connection]) -> int:
    """Let go those of these connections whose people may not be here. Gives how many."""
    people = list({connection.user_id for connection in connections})
    out = set(await parts.moderation.suspended(people)) if people else set()
    theirs = [connection for connection in connections if connection.user_id in out]
    for connection in theirs:
        connection.drop("suspended")
    return len(theirs)


async def refresh(parts: Doorkeeping, user_id: UserId) -> Suspension | None:
    """Bring the memory in line with the record, and let the person's hubs know if they are out."""
    found = await suspensions.current(parts.pool, user_id, now_ms=parts.now_ms())
    if found is None:
        await parts.moderation.lift(user_id)
    else:
        await parts.moderation.suspend(user_id, until_ms=found.until_ms)
    return found


async def remember_all(parts: Doorkeeping, *, sockets_of: SocketsOf = lambda _: ()) -> int:
    """Put into the memory everyone who is suspended on record: it may have been lost. Gives how many.

    Whoever of them still has sockets here is let go: the word to do so may have been lost as well.
    """
    after: str | None = None
    remembered = 0
    while True:
        page = await suspensions.all_current(parts.pool, now_ms=parts.now_ms(), after=after, limit=PAGE)
        for one in page:
            longest = await suspensions.current(parts.pool, one.user_id, now_ms=parts.now_ms())
            if longest is not None:
                await parts.moderation.remember(one.user_id, until_ms=longest.until_ms)
                for connection in list(sockets_of(one.user_id)):
                    connection.drop("suspended")
        remembered += len(page)
        if len(page) < PAGE:
            return remembered
        after = page[-1].action_id
