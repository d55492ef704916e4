"""After the store was away: is everything still there that this hub has passed on and promised?

A store that is killed may forget its last moments. Messages that were passed on are put back from this hub's
memory before anybody may write anew. Then each room is compared with what this hub knows of its own sockets:
one whose entry was forgotten is asked to enter again, one that the store believes to be there and is not is
taken out as of when it was last heard, and an end that was forgotten is made again.
"""

from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from hub.delivery import Follow
from hub.edge.connection import Connection
from hub.follow import Follows
from hub.hub import Incarnation
from hub.live import Live
from hub.presence import Presence
from rooms import departure
from rooms.departure import Proofs
from rooms.errors import NotFound
from rooms.ids import HubId, SessionId
from rooms.news import Change
from rooms.room import OVER, Room, State
from store.redis.chat import Chat

log = structlog.get_logger()

Touched = Callable[[HubId], Awaitable[list[SessionId]]]
"""The rooms in which sockets of a hub are or were, as the store remembers."""
Recorded = Callable[[SessionId], Awaitable[State | None]]
"""Where a session stands on record."""


class Reconcile:
    """Compares what this hub knows with what the store has."""

    def __init__(
        self,
        here: Incarnation,
        follows: Follows,
        presence: Presence,
        live: Live,
        chat: Chat,
        *,
        touched: Touched,
        recorded: Recorded,
    ) -> None:
        self._here = here
        self._follows = follows
        self._presence = presence
        self._live = live
        self._chat = chat
        self._touched = touched
        self._recorded = recorded

    async def run_once(self) -> int:
        """Gives how many messages were put back. Then every room reads what it missed."""
        restored = 0
        for followed in list(self._follows.by_room.values()):
            restored += await self._put_back(followed)
        self._here.in_doubt = False
        for session_id in {*self._follows.by_room, *await self._touched(self._here())}:
            try:
                await self._compare(session_id)
            except NotFound:
                continue
        self._follows.heal_all()
        return restored

    async def _put_back(self, followed: Follow) -> int:
        tail = [delivered for delivered, _ in followed.tail]
        if not tail:
            return 0
        restored = await self._chat.restore(
            followed.session_id, tail, rev=followed.rev, head_seq=followed.seq
        )
        if restored:
            log.warning("room.messages_put_back", session=followed.session_id, count=restored)
        return restored

    async def _compare(self, session_id: SessionId) -> None:
        followed = self._follows.by_room.get(session_id)
        room = (await self._live.rooms.require(session_id)).room
        if room.state in OVER:
            return
        if followed is not None:
            _ask_to_enter_again(followed, room)
        known = followed.heard_at_end if followed is not None else {}
        ghosts = {
            anchor.connection: known.get(anchor.connection, anchor.since_ms)
            for person in room.people
            for anchor in person.anchors
            if anchor.hub == self._here() and not self._presence.holds(session_id, anchor.connection)
        }
        if ghosts:
            room = (await self._live.change(session_id, partial(_take_out, ghosts=ghosts))).room
        empty = not any(person.present for person in room.people)
        ended = followed is not None and followed.state is State.ENDED
        if empty and (ended or await self._recorded(session_id) in OVER):
            log.warning("room.end_made_again", session=session_id)
            await self._live.change(session_id, _end_again)


def _ask_to_enter_again(followed: Follow, room: Room) -> None:
    present = {anchor.connection for person in room.people for anchor in person.anchors}
    forgotten: list[Connection] = [
        connection for id_, connection in followed.joined.items() if id_ not in present
    ]
    for connection in forgotten:
        # Its client comes back at once and enters anew; until then its time is not billed.
        connection.drop("entry_lost")


def _take_out(room: Room, *, ghosts: Proofs, now_ms: int) -> Change:
    return departure.drop(room, ghosts, reason="line_dropped", now_ms=now_ms)


def _end_again(room: Room, *, now_ms: int) -> Change:
    """The people know that it ended, so it did, whatever has become of the reason."""
    if room.state in OVER:
        return Change(room)
    over = State.CANCELLED if room.live_at_ms is None else State.ENDED
    return departure.close(room, over, "ended_before_store_loss", now_ms=now_ms)
