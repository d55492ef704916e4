"""Putting somebody out of the media channel at the vendor: their token alone would let them stay."""

from store.postgres import kicks
from store.postgres.pool import Db


async def order(
    db: Db, *, session_id: str, user_id: str, channel: str, uid: int, seconds: int, now_ms: int
) -> None:
    """Order it in the caller's transaction. A worker sends it at once, and again until the vendor knows.

    `channel` and `uid` are those of `rooms.media`; `seconds` is for how long, at least as long as the
    person's token may last. Repeated, it changes nothing.
    """
    await kicks.order(
        db,
        session_id=session_id,
        user_id=user_id,
        channel=channel,
        uid=uid,
        until_ms=now_ms + seconds * 1000,
        now_ms=now_ms,
    )
