"""After the store was away: is everything still there that this hub has passed on and promised?

A store that is killed may forget its last moments. What was acknowledged is put back from this hub's memory;
a socket whose entry into a room was forgotten is asked to enter again.
"""

import structlog

from hub.delivery import Follow
from hub.edge.connection import Connection
from hub.follow import Follows
from hub.live import Live
from rooms.room import Room
from store.redis.chat import Chat

log = structlog.get_logger()


class Reconcile:
    """Compares the rooms of this hub with what the store has of them."""

    def __init__(self, follows: Follows, live: Live, chat: Chat) -> None:
        self._follows = follows
        self._live = live
        self._chat = chat

    async def run_once(self) -> int:
        """Gives how many messages were put back. Then every room reads what it missed."""
        restored = 0
        for followed in list(self._follows.by_room.values()):
            restored += await self._put_back(followed)
            loaded = await self._live.rooms.load(followed.session_id)
            if loaded is not None:
                _check_entries(followed, loaded.room)
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


def _check_entries(followed: Follow, room: Room) -> None:
    present = {anchor.connection for person in room.people for anchor in person.anchors}
    forgotten: list[Connection] = [
        connection for id_, connection in followed.joined.items() if id_ not in present
    ]
    for connection in forgotten:
        # Its client comes back at once and enters anew; until then its time is not billed.
        connection.drop("entry_lost")
