"""What a decision leaves on record: the action and its note, what counts against whom, who has to go."""

import uuid_utils

from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.moderation import kicking
from hub.moderation.claiming import Place
from hub.wire_moderation import Act
from rooms import media, strikes
from rooms.ids import UserId
from rooms.moderation import Sanction
from rooms.safety.free_text import masked
from store.moderation_records import Action, Flag
from store.postgres import acts, suspensions
from store.postgres.pool import Transacting
from store.privacy.bindings import action_note_aad

FINISH_MS = 5_000
"""After this others carry out what whoever decided it has not."""
ENDS = frozenset({"remove", "end", "suspend"})


async def record(
    hub: Hub,
    connection: Transacting,
    who: Principal,
    body: Act,
    place: Place,
    flag: Flag | None,
    decided: Sanction,
    elsewhere: Place | None,
    *,
    now_ms: int,
) -> Action:
    """The action, its effects still to come. Raises Refused(conflict) for a request made twice at once."""
    action_id = str(uuid_utils.uuid7())
    key = await hub.keyring.fresh(action_id, connection)
    note = masked(body.note)
    until_ms = None if body.duration_s is None else now_ms + body.duration_s * 1000
    action = Action(
        id=action_id,
        flag_id=None if flag is None else flag.id,
        session_id=place.session_id,
        actor_id=who.user_id,
        user_id=decided.user_id,
        action=decided.action,
        reason=decided.reason,
        note=key.seal(action_note_aad(action_id), note.encode()),
        duration_s=body.duration_s,
        until_ms=until_ms,
        before=_state(place, flag, elsewhere),
        after={"open": place.open and decided.action not in ENDS},
        undoes=None,
        request_id=body.request_id,
        created_at_ms=now_ms,
    )
    if not await acts.insert_action(connection, action):
        raise Refused(Code.CONFLICT, "The same request came twice at once; ask again.")
    await acts.insert_effect(connection, action_id, next_at_ms=now_ms + FINISH_MS)
    return action


def _state(place: Place, flag: Flag | None, elsewhere: Place | None) -> dict[str, str | bool]:
    state: dict[str, str | bool] = {"open": place.open}
    if place.room is not None:
        state["session"] = place.room.state.value
    if flag is not None:
        state["flag"] = flag.status
    if elsewhere is not None:
        state["elsewhere"] = elsewhere.session_id
    return state


async def hold_against(connection: Transacting, action: Action, decided: Sanction, *, now_ms: int) -> None:
    """Strike and suspension. Being young is no misconduct: it is no strike."""
    user_id = decided.user_id
    if user_id is None:
        return
    points = strikes.POINTS.get(decided.action, 0)
    if points and decided.reason == "conduct":
        await acts.insert_strike(connection, action.id, user_id, points=points, now_ms=now_ms)
    if decided.action == "suspend":
        await suspensions.insert_suspension(
            connection,
            action.id,
            user_id,
            reason="minor" if decided.reason == "minor" else "conduct",
            from_ms=now_ms,
            until_ms=action.until_ms,
        )


async def kick_all(
    hub: Hub, connection: Transacting, place: Place, *, only: UserId | None = None, now_ms: int
) -> None:
    """Everybody who is still in it, or `only` one of them, has to leave the media channel: their tokens would
    let them stay.
    """
    room = place.room
    if room is None or not place.open:
        return
    for person in room.people:
        if only is not None and person.user_id != only:
            continue
        await kicking.order(
            connection,
            session_id=room.id,
            user_id=person.user_id,
            channel=media.channel(room.id),
            uid=person.no + media.FIRST_UID,
            seconds=-(-(hub.media_longest_ms + room.limits.grace_ms) // 1000),
            now_ms=now_ms,
        )
