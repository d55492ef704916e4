"""How a rating that changed reaches whoever watches the directory.

The rating itself follows from the reviews inside the database, in their own transaction.
"""

from hub.correcting import Peers
from hub.hub import Hub
from rooms.ids import UserId
from store.postgres import people, profiles
from store.postgres.pool import Db

WORKER_AFTER_MS = 2_000
"""By then the hub that took the change has told it, unless it died."""


async def want_told(db: Db, practitioner_id: UserId, *, now_ms: int, after_ms: int = WORKER_AFTER_MS) -> None:
    """Put on record, in the transaction of the change, that the directory has still to hear of it."""
    practitioner = await people.person(db, practitioner_id)
    if practitioner is not None:
        await profiles.want_telling(
            db, practitioner_id, practitioner.version, now_ms=now_ms, next_at_ms=now_ms + after_ms
        )


def tell(hub: Hub, practitioner_id: UserId) -> None:
    """Tell the directory now, beside everything else."""
    peers = Peers(hub.pool, hub.live, hub.people, hub.directory)
    hub.spawn("rating.tell", lambda: peers.tell_directory(practitioner_id))
