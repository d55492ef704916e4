"""Legal holds as rows; `store.privacy.legal_holds` copies, seals and opens what is held."""

from msgspec import Struct

from rooms.ids import SessionId, UserId
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("legal_holds")


class Hold(Struct, frozen=True):
    """One hold: of a person or of a session. Its texts are sealed, and gone once it is over."""

    id: str
    subject_id: UserId | None
    session_id: SessionId | None
    reason: bytes | None
    disclosed: bool
    undisclosed_reason: bytes | None
    placed_by: UserId
    placed_at_ms: int
    review_by_ms: int
    ends_at_ms: int
    pieces: int
    rows_held: int
    released_by: UserId | None
    released_at_ms: int | None


class Piece(Struct, frozen=True):
    """Rows of one table, sealed."""

    hold_id: str
    no: int
    table_name: str
    row_count: int
    sealed: bytes


async def insert_hold(db: Db, hold: Hold) -> bool:
    """Keep it, without pieces. False when one of this id was placed before."""
    made = await db.fetchval(
        SQL["insert_hold"],
        hold.id,
        hold.subject_id,
        hold.session_id,
        hold.reason,
        hold.disclosed,
        hold.undisclosed_reason,
        hold.placed_by,
        hold.placed_at_ms,
        hold.review_by_ms,
        hold.ends_at_ms,
    )
    return made is not None


async def insert_piece(db: Db, piece: Piece) -> None:
    """Keep one piece of the copy."""
    await db.execute(
        SQL["insert_piece"], piece.hold_id, piece.no, piece.table_name, piece.row_count, piece.sealed
    )


async def complete(db: Db, hold_id: str, *, pieces: int, rows: int) -> None:
    """Say how much there is of it."""
    await db.execute(SQL["complete"], hold_id, pieces, rows)


async def hold(db: Db, hold_id: str) -> Hold | None:
    """One hold; None when there is none."""
    return one(await db.fetchrow(SQL["hold"], hold_id), Hold)


async def listed(db: Db, who: UserId, *, before: str | None, limit: int) -> list[Hold]:
    """Holds, the newest first, without those that concern who asks."""
    return many(await db.fetch(SQL["listed"], who, before, limit), Hold)


async def piece(db: Db, hold_id: str, no: int) -> Piece | None:
    """One piece, sealed."""
    return one(await db.fetchrow(SQL["piece"], hold_id, no), Piece)


async def keep_on(db: Db, hold_id: str, *, review_by_ms: int) -> bool:
    """Have somebody look at it again by then. False when it is over."""
    return await db.fetchval(SQL["keep_on"], hold_id, review_by_ms) is not None


async def release(db: Db, hold_id: str, *, released_by: UserId | None, now_ms: int) -> bool:
    """End it; pieces and key are the caller's. False when it is over."""
    return await db.fetchval(SQL["release"], hold_id, released_by, now_ms) is not None


async def drop_pieces(db: Db, hold_id: str) -> None:
    """Remove the copy."""
    await db.execute(SQL["drop_pieces"], hold_id)


async def over(db: Db, *, now_ms: int, limit: int) -> list[Hold]:
    """Those whose time is over."""
    return many(await db.fetch(SQL["over"], now_ms, limit), Hold)


async def to_review(db: Db, *, now_ms: int, limit: int) -> list[Hold]:
    """Those of which somebody has to say whether they are still needed."""
    return many(await db.fetch(SQL["to_review"], now_ms, limit), Hold)


async def seats(db: Db, session_id: SessionId) -> list[UserId]:
    """Who took part in a session, as the record has them."""
    return [UserId(row["user_id"]) for row in await db.fetch(SQL["seats"], session_id)]
