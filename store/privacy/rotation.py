"""DATA_KEY is exchanged: keys that an older one wraps are wrapped anew. What they sealed is not touched."""

from msgspec import Struct

from store.postgres import keys as rows
from store.postgres.keys import WrappedKey
from store.postgres.pool import Db
from store.privacy.masters import ROOT, Masters, WrongDataKeyError, data_key_name


class Rewrapped(Struct, frozen=True):
    """One batch: how many keys were wrapped anew, how many do not open, and where the next one begins.

    `after` is None at the end.
    """

    done: int
    unreadable: int
    after: str | None


async def rewrap(db: Db, masters: Masters, *, after: str | None, limit: int, now_ms: int) -> Rewrapped:
    """Wrap the next keys under the version that wraps now. Any number of processes may.

    A key that is shredded in the meantime stays shredded: only what stands as it was read is replaced.
    """
    version = masters.wrapping(now_ms)
    found = await rows.older_keys(db, version, after=after, limit=limit)
    readable = [(one, key) for one in found if (key := _unwrapped(masters, one)) is not None]
    anew = [masters.wrap(version, data_key_name(one.subject_id), key) for one, key in readable]
    done = await rows.rewrap(db, version, [one for one, _ in readable], anew) if readable else 0
    last = found[-1].subject_id if len(found) == limit else None
    return Rewrapped(done, len(found) - len(readable), last)


async def rewrap_root(db: Db, masters: Masters, *, now_ms: int) -> bool:
    """The same for the hub's own secret; whether it was wrapped anew. Raises WrongDataKeyError."""
    version, secret = masters.wrapping(now_ms), await rows.secret(db, ROOT)
    if secret is None or secret.key_version >= version:
        return False
    anew = masters.wrap(version, ROOT, masters.unwrap(secret.key_version, ROOT, secret.wrapped))
    return await rows.rewrap_secret(db, ROOT, version, before=secret.wrapped, after=anew)


def _unwrapped(masters: Masters, one: WrappedKey) -> bytes | None:
    try:
        return masters.unwrap(one.key_version, data_key_name(one.subject_id), one.wrapped)
    except WrongDataKeyError:
        return None
