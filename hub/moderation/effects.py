"""Carrying out what a moderator decided: room, lines, people, in this order, each step repeatable.

The decision is on record before any of it, so whoever finds it unfinished begins again at the first step.
"""

import structlog

from hub.hub import Hub
from hub.moderation import flagging, suspending
from hub.reviews import deciding as deciding_reviews
from hub.safety import holding, removing, reports
from hub.safety.notices import Notice, tell
from hub.workers.accounts import take_offline
from rooms import moderation
from rooms.departure import Proofs
from rooms.errors import NotFound, NotLive
from rooms.ids import SessionId, UserId
from rooms.moderation import AGAINST, IN_ROOM, Sanction
from rooms.news import Change
from rooms.room import OVER, Room
from store.moderation_records import Action, Flag
from store.postgres import acts, flags, suspensions

log = structlog.get_logger()


async def carry_out(hub: Hub, action_id: str) -> None:
    """Everything that follows from an action. Raises the stores' errors; then it is begun again later."""
    action = await acts.action(hub.pool, action_id)
    if action is None:
        return
    flag = None if action.flag_id is None else await flags.flag(hub.pool, action.flag_id)
    if action.action == "overrule":
        await _take_back(hub, action)
    elif not await acts.undone(hub.pool, action.id):
        await _do(hub, action, flag)
    if flag is not None:
        if (outcome := reports.OUTCOMES.get(flag.status)) is not None:
            await reports.decided(hub, flag_id=flag.id, outcome=outcome, now_ms=hub.now_ms())
        await flagging.tell_changed(hub, flag.id)
    await acts.finish(hub.pool, action_id)


async def _do(hub: Hub, action: Action, flag: Flag | None) -> None:
    if flag is not None and flag.message_id is not None and _is_against_sender(action, flag):
        # Whoever acts because of a message does not let it through.
        if flag.review_id is not None:
            await deciding_reviews.withhold(hub, flag.message_id)
        else:
            await holding.reject(hub, action.session_id, flag.message_id)
    match action.action:
        case "release" | "reject":
            if flag is not None and flag.review_id is not None:
                await deciding_reviews.decide(hub, action, flag)
            elif flag is not None and flag.message_id is not None:
                await _decide_message(hub, action, flag, flag.message_id)
        case "mute" | "unmute" | "remove" | "end":
            await _change_room(hub, action)
            await _tell_of_room(hub, action)
        case "suspend":
            await _change_room(hub, action)
            await _suspend(hub, action)
        case "warn":
            await _tell(hub, action, "warned")
        case _:
            pass


def _is_against_sender(action: Action, flag: Flag) -> bool:
    return action.action in AGAINST | {"end"} and action.user_id == flag.user_id


async def _decide_message(hub: Hub, action: Action, flag: Flag, message_id: str) -> None:
    """Deliver what was held, or not; what was delivered already is taken out."""
    session_id = action.session_id
    decide = holding.release if action.action == "release" else holding.reject
    if await decide(hub, session_id, message_id):
        return
    delivered = await removing.was_delivered(hub, session_id, message_id)
    if action.action == "reject" and delivered:
        await removing.remove(hub, session_id, message_id, sender=flag.user_id, flag_id=flag.id)
    elif (action.action == "release") == delivered and flag.verdict == "hold":
        # Decided before, perhaps by somebody who died before they could tell the sender.
        code = "message_released" if delivered else "message_rejected"
        await tell(hub, flag.user_id, Notice(code, session_id, message_id))


async def _change_room(hub: Hub, action: Action) -> None:
    """What changes in the room, in one commit with the meter's stop. A room that is gone needs nothing."""
    name = action.action
    if name not in IN_ROOM and name != "suspend":
        return
    decided = Sanction(name, action.user_id, action.reason)
    if name in ("mute", "unmute") and await acts.superseded(hub.pool, action):
        return

    def decide(room: Room, proofs: Proofs, now_ms: int) -> Change:
        return moderation.carry_out(room, decided, until_ms=action.until_ms, proofs=proofs, now_ms=now_ms)

    try:
        await hub.live.change_with_proofs(action.session_id, decide)
    except (NotFound, NotLive):
        log.info("act.room_over", action=action.id)


async def _tell_of_room(hub: Hub, action: Action) -> None:
    codes = {"mute": "muted", "unmute": "unmuted", "remove": "removed", "end": "ended_for_conduct"}
    if action.user_id is not None:
        await _tell(hub, action, codes[action.action])
    if action.action in ("remove", "end"):
        await _tell_others(hub, action)


def _goes_on(room: Room | None, action: Action) -> bool:
    """Whether only somebody else was put out of a live room, and those who are there stay."""
    if room is None or room.state in OVER or action.user_id is None or action.action == "end":
        return False
    return moderation.is_one_of_many(room, action.user_id)


async def _tell_others(hub: Hub, action: Action, session_id: SessionId | None = None) -> None:
    """Those who were there too, in the action's session or another: it is over, and not because of them."""
    session_id = session_id or action.session_id
    recorded = await flags.concerned(hub.pool, session_id)
    loaded = await hub.live.rooms.load(session_id)
    if loaded is not None and _goes_on(loaded.room, action):
        return
    live = [] if loaded is None else [person.user_id for person in loaded.room.people]
    for user_id in dict.fromkeys((*recorded, *live)):
        if user_id != action.user_id:
            await tell(hub, user_id, Notice("ended_by_moderator", session_id))


async def _suspend(hub: Hub, action: Action) -> None:
    """Out of every session, out of the directory, off every line; and they are told why before they go."""
    user_id = action.user_id
    if user_id is None:
        return
    found = await suspensions.current(hub.pool, user_id, now_ms=hub.now_ms())
    if found is not None:
        # Remembered first, so that nobody comes back in between.
        await hub.moderation.remember(user_id, until_ms=found.until_ms)
        await _leave_session(hub, user_id, action)
        await take_offline(hub.people, hub.directory, user_id)
    if action.before.get("open"):
        await _tell_others(hub, action)
    await _tell(hub, action, "suspended_minor" if action.reason == "minor" else "suspended")
    await suspending.refresh(hub, user_id)


async def _leave_session(hub: Hub, user_id: UserId, action: Action) -> None:
    """The session that they are in now, if it is another one, ends by their conduct as well."""
    held_by = action.before.get("elsewhere") or await hub.people.held_by(user_id)
    if held_by is None or held_by == action.session_id:
        return
    decided = Sanction("suspend", user_id, action.reason)

    def decide(room: Room, proofs: Proofs, now_ms: int) -> Change:
        if room.participant(user_id) is None:
            return Change(room)
        return moderation.carry_out(room, decided, until_ms=None, proofs=proofs, now_ms=now_ms)

    try:
        await hub.live.change_with_proofs(SessionId(held_by), decide)
    except NotFound:
        return
    await _tell_others(hub, action, SessionId(held_by))


async def _take_back(hub: Hub, action: Action) -> None:
    """A decision was overruled: what can be undone is undone, and the person is told."""
    undone = None if action.undoes is None else await acts.action(hub.pool, action.undoes)
    if undone is None or undone.user_id is None:
        return
    user_id = undone.user_id
    if undone.action == "suspend":
        await suspending.refresh(hub, user_id)
    elif undone.action == "mute" and not await acts.superseded(hub.pool, undone, but=action.id):
        await _unmute(hub, undone.session_id, user_id)
    await tell(hub, user_id, Notice("appeal_overruled", undone.session_id, action_id=undone.id))


async def _unmute(hub: Hub, session_id: SessionId, user_id: UserId) -> None:
    def decide(room: Room, *, now_ms: int) -> Change:
        if room.state in OVER:
            return Change(room)
        return moderation.unmute(room, user_id, by="moderator", now_ms=now_ms)

    try:
        await hub.live.change(session_id, decide)
    except (NotFound, NotLive):
        return


async def _tell(hub: Hub, action: Action, code: str) -> None:
    if action.user_id is not None:
        about = Notice(code, action.session_id, action_id=action.id, until_ms=action.until_ms)
        await tell(hub, action.user_id, about)
