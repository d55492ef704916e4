"""What moderators did as rows, what of it is still to be carried out, and what counts against whom."""

from collections.abc import Collection

from rooms.ids import SessionId, UserId
from rooms.strikes import Strike
from store.moderation_records import Action, OwnAction
from store.postgres.pool import Db
from store.postgres.rows import many, one
from store.postgres.statements import statements

SQL = statements("acts")

STRIKES_MAX = 200
"""Older ones weigh nothing any more."""
ACTIONS_MAX = 100
"""Actions on one case that are shown."""


async def insert_action(db: Db, action: Action) -> bool:
    """Put on record what is done; False when this request was made before, or it was undone already."""
    made = await db.fetchval(
        SQL["insert_action"],
        action.id,
        action.flag_id,
        action.session_id,
        action.actor_id,
        action.user_id,
        action.action,
        action.reason,
        action.note,
        action.duration_s,
        action.until_ms,
        action.before,
        action.after,
        action.undoes,
        action.request_id,
        action.created_at_ms,
    )
    return made is not None


async def insert_effect(db: Db, action_id: str, *, next_at_ms: int) -> None:
    """It has to be carried out: by others from `next_at_ms` on, should whoever acts not have finished."""
    await db.execute(SQL["insert_effect"], action_id, next_at_ms)


async def action(db: Db, action_id: str) -> Action | None:
    """One action."""
    return one(await db.fetchrow(SQL["action"], action_id), Action)


async def requested_action(db: Db, actor_id: UserId, request_id: str) -> Action | None:
    """What a moderator's request of this name did."""
    return one(await db.fetchrow(SQL["requested_action"], actor_id, request_id), Action)


async def last_action_against(
    db: Db, actor_id: UserId, session_id: SessionId, user_id: UserId, *, since_ms: int
) -> Action | None:
    """What somebody last did to a person in a session, about no case, if it stands and is that recent."""
    row = await db.fetchrow(SQL["last_action_against"], actor_id, session_id, user_id, since_ms)
    return one(row, Action)


async def last_action(db: Db, flag_id: str) -> Action | None:
    """What was last done about a case."""
    return one(await db.fetchrow(SQL["last_action"], flag_id), Action)


async def actions_of_flag(db: Db, flag_id: str) -> list[Action]:
    """Everything that was done about a case, in order."""
    return many(await db.fetch(SQL["actions_of_flag"], flag_id, ACTIONS_MAX), Action)


async def actions_about(
    db: Db, who: UserId, user_id: UserId, *, before: str | None, limit: int
) -> list[Action]:
    """What was decided about a person, the newest first, as this moderator may see it."""
    return many(await db.fetch(SQL["actions_about"], who, user_id, before, limit), Action)


async def actions_by(db: Db, actor_id: UserId, *, before: str | None, limit: int) -> list[Action]:
    """What a moderator did, the newest first."""
    return many(await db.fetch(SQL["actions_by"], actor_id, before, limit), Action)


async def who_put_out(db: Db, session_id: SessionId, user_id: UserId) -> UserId | None:
    """Who decided last that somebody's session ends, in this one or in another that they were in as well."""
    actor: UserId | None = await db.fetchval(SQL["who_put_out"], session_id, user_id)
    return actor


async def undone(db: Db, action_id: str) -> bool:
    """Whether an action was taken back."""
    return bool(await db.fetchval(SQL["undone"], action_id))


async def own_actions(db: Db, *, before: str | None, limit: int) -> list[OwnAction]:
    """Decisions about whoever the connection acts as."""
    return many(await db.fetch(SQL["own_actions"], before, limit), OwnAction)


async def take_due(db: Db, *, now_ms: int, lease_until_ms: int, limit: int) -> dict[str, int]:
    """Actions that somebody began and did not finish, each with how often that was tried."""
    rows = await db.fetch(SQL["take_due"], now_ms, lease_until_ms, limit)
    return {row["action_id"]: row["attempts"] for row in rows}


async def finish(db: Db, action_id: str) -> None:
    """Everything about an action is carried out."""
    await db.execute(SQL["finish"], action_id)


async def insert_strike(db: Db, action_id: str, user_id: UserId, *, points: int, now_ms: int) -> None:
    """It counts against the person."""
    await db.execute(SQL["insert_strike"], action_id, user_id, points, now_ms)


async def strikes(db: Db, people: Collection[UserId]) -> dict[UserId, list[Strike]]:
    """What counts against each of these people."""
    counted: dict[UserId, list[Strike]] = {user_id: [] for user_id in people}
    for row in await db.fetch(SQL["strikes"], list(counted), STRIKES_MAX):
        counted[row["user_id"]].append(Strike(row["points"], row["created_at_ms"]))
    return counted


async def remove_strike(db: Db, action_id: str, *, now_ms: int) -> None:
    """It was overruled, and counts no more."""
    await db.execute(SQL["remove_strike"], action_id, now_ms)


async def superseded(db: Db, action: Action, *, but: str | None = None) -> bool:
    """Whether a later decision than this one, but for `but`, says whether the person may speak there."""
    query = SQL["superseded"]
    return bool(await db.fetchval(query, action.session_id, action.user_id, action.id, but))
