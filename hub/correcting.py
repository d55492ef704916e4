"""How a corrected profile reaches those who have it already: the other side of an open session, and whoever
watches the directory. Harmless the second time.
"""

from functools import partial

import asyncpg
import msgspec

from hub.live import Live
from hub.outbound import DirectoryDetails
from rooms import session
from rooms.errors import NotFound
from rooms.ids import UserId
from store.postgres import people as people_records
from store.records import Practice
from store.redis.directory import Directory
from store.redis.people import People


class Peers:
    """Those who see a person live, wherever their sockets are."""

    def __init__(self, pool: asyncpg.Pool, live: Live, people: People, directory: Directory) -> None:
        self._pool = pool
        self._live = live
        self._people = people
        self._directory = directory

    async def rename(self, person_id: UserId, name: str) -> None:
        """Call somebody otherwise in the session they are in, if there is one."""
        session_id = await self._people.held_by(person_id)
        if session_id is None:
            return
        try:
            await self._live.change(session_id, partial(session.rename, who=person_id, name=name))
        except NotFound:
            # Only reserved, or gone: whoever opens the room reads the name then.
            return

    async def tell_directory(self, person_id: UserId) -> None:
        """Tell whoever watches the directory what a practitioner shows and offers by now."""
        practice = await people_records.practice(self._pool, person_id)
        if practice is not None and practice.verified_at_ms is not None:
            await self._directory.tell(person_id, details(practice))


def details(practice: Practice) -> bytes:
    """What of a practice is told to everybody, as JSON."""
    return msgspec.json.encode(
        DirectoryDetails(
            name=practice.name,
            headline=practice.headline,
            topics=practice.topics,
            rate_minor_per_minute=practice.rate_minor_per_minute,
            currency=practice.currency,
            free_s=practice.free_s,
            accepts_instant=practice.accepts_instant,
            rating=practice.rating,
            rating_count=practice.rating_count,
        )
    )
