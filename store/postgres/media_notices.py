"""What the media vendor says of who was in a channel, and what came of comparing it with what was billed."""

from typing import Final

from msgspec import Struct

from rooms.ids import SessionId
from rooms.media_times import Move
from rooms.presence import Span, Spans
from store.postgres.pool import Db
from store.postgres.rows import many
from store.postgres.statements import statements

SQL = statements("media_notices")

MOVES_MAX: Final = 10_000
"""Comings and goings of one channel that are looked at."""


class Part(Struct, frozen=True):
    """A guest's settled part of a session that is to be compared."""

    session_id: SessionId
    participant_no: int
    ended_at_ms: int


async def insert_move(db: Db, channel: str, uid: int, move: Move, *, now_ms: int) -> None:
    """Keep one coming or going. Repeated, it changes nothing."""
    await db.execute(
        SQL["insert_move"], channel, uid, move.client_seq, move.joined, move.at_ms, move.lasted_ms, now_ms
    )


async def moves(db: Db, channel: str) -> dict[int, list[Move]]:
    """All comings and goings of a channel, by uid."""
    found: dict[int, list[Move]] = {}
    for row in await db.fetch(SQL["moves"], channel, MOVES_MAX):
        move = Move(row["client_seq"], row["at_ms"], row["joined"], row["lasted_ms"])
        found.setdefault(row["uid"], []).append(move)
    return found


async def unchecked(db: Db, *, before_ms: int, after_ms: int, limit: int) -> list[Part]:
    """Parts settled between these times that were not compared, or of which more was told since."""
    return many(await db.fetch(SQL["unchecked"], before_ms, after_ms, limit), Part)


async def billed(db: Db, session_id: SessionId, participant_no: int) -> Spans:
    """What a guest's part was billed for."""
    return tuple(Span(*row) for row in await db.fetch(SQL["billed"], session_id, participant_no))


async def note_check(
    db: Db, part: Part, *, channel: str, seen: Spans | None, unseen_ms: int, now_ms: int
) -> None:
    """Keep what came of it; `seen` is None where the vendor told nothing at all."""
    told = None if seen is None else [list(span) for span in seen]
    await db.execute(
        SQL["note_check"], part.session_id, part.participant_no, channel, told, unseen_ms, now_ms
    )
