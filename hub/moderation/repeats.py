"""A decision that comes twice is one: by its name, by its case, or because the same was done moments ago."""

from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.wire_moderation import Act
from rooms import queue
from rooms.ids import SessionId, UserId
from rooms.moderation import ABOUT_MESSAGE
from store.moderation_records import Action, Flag
from store.postgres import acts, flags
from store.postgres.pool import Transacting

REPEAT_MS = 30_000
"""So long the same decision without a name and without a case is a repeat, and not a second one."""


async def before(
    connection: Transacting, flag: Flag | None, body: Act, who: Principal, *, now_ms: int
) -> Action | None:
    """What this very request did before: by its name, because the case was closed by just this, or because
    the same moderator did the same to the same person moments ago and nothing else since.
    """
    if body.request_id is not None:
        known = await acts.requested_action(connection, who.user_id, body.request_id)
        if known is not None and not _same(known, body):
            raise Refused(Code.CONFLICT, "This request_id was used for something else.")
        return known
    if flag is None:
        return await _moments_ago(connection, body, who, now_ms=now_ms)
    if flag.status in ("open", "claimed"):
        return None
    last = await acts.last_action(connection, flag.id)
    if last is not None and last.actor_id == who.user_id and _same(last, body):
        return last
    if body.action in ABOUT_MESSAGE or body.action == "dismiss":
        raise queue.Closed
    return None


async def _moments_ago(connection: Transacting, body: Act, who: Principal, *, now_ms: int) -> Action | None:
    if body.user_id is None:
        return None
    session_id, user_id = SessionId(body.session_id), UserId(body.user_id)
    await flags.lock_subject(connection, session_id, user_id)
    last = await acts.last_action_against(
        connection, who.user_id, session_id, user_id, since_ms=now_ms - REPEAT_MS
    )
    return last if last is not None and _same(last, body) else None


def _same(known: Action, body: Act) -> bool:
    return (
        known.action == body.action
        and known.session_id == body.session_id
        and (body.user_id is None or known.user_id == body.user_id)
        and known.flag_id == body.flag_id
        and known.duration_s == body.duration_s
    )
