"""What moderators do about a case, a person or a session. Each decision is one transaction:

who may → what it means (rooms/moderation.py) → action, case, strike, suspension, kick, audit in one commit
→ room, lines and people (effects.py), finished by another hub should this one die
"""

from hub import views
from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.moderation import effects, flagging, minors, repeats
from hub.moderation.claiming import Place, claimed, place_of, put_on_record, read_again, require_foreign
from hub.moderation.deciding import ENDS, hold_against, kick_all, record
from hub.reviews import deciding as deciding_reviews
from hub.safety import removing
from hub.wire_moderation import Act, Acted
from rooms import moderation, queue
from rooms.errors import IllegalTransition, NotFound, NotLive
from rooms.ids import SessionId, UserId
from rooms.moderation import ABOUT_MESSAGE, CLOSES, IN_ROOM, TIMED, Sanction
from rooms.queue import FlagStatus
from store.moderation_records import Action, Flag
from store.postgres import flags
from store.postgres.pool import Transacting


async def act(hub: Hub, who: Principal, body: Act) -> Acted:
    """Do something about a case, a message, a person or a session; its effects are there when this returns.

    Raises Refused or RoomError: `not_found`, `forbidden` for one's own case, `conflict`, `not_live`,
    `bad_request`.
    """
    _check(body, who)
    place = await place_of(hub, SessionId(body.session_id))
    if not place.people and place.room is None:
        raise NotFound
    undecided = await _is_undecided(hub, body)
    elsewhere = await _elsewhere(hub, body)
    async with hub.pool.acquire() as connection, connection.transaction():
        flag = await _flag(connection, place, body, who, now_ms=hub.now_ms())
        action = await repeats.before(connection, flag, body, who, now_ms=hub.now_ms())
        if action is None:
            if body.action in ABOUT_MESSAGE and flag is not None and not undecided:
                raise IllegalTransition("This message is not held: it was decided already, or never was.")
            action = await _decide(hub, connection, who, body, place, flag, elsewhere)
    await effects.carry_out(hub, action.id)
    return await _acted(hub, action)


def _check(body: Act, who: Principal) -> None:
    if who.role == "admin" and body.action != "end":
        raise Refused(Code.FORBIDDEN, "An admin may end a session; the rest is a moderator's to decide.")
    if not body.note.strip():
        raise Refused(Code.BAD_REQUEST, "Say why.", fields={"note": "is blank"})
    if body.duration_s is not None and body.action not in TIMED:
        raise Refused(
            Code.BAD_REQUEST, "This action has no duration.", fields={"duration_s": "only of mute, suspend"}
        )


async def _is_undecided(hub: Hub, body: Act) -> bool:
    """Whether the case's message still waits for a decision, or was delivered and can be taken out."""
    if body.action not in ABOUT_MESSAGE or body.flag_id is None:
        return False
    flag = await flags.flag(hub.pool, body.flag_id)
    if flag is not None and flag.review_id is not None:
        return await deciding_reviews.is_undecided(hub.pool, flag, body.action)
    if flag is None or flag.message_id is None:
        return False
    if await hub.held.get(flag.session_id, flag.message_id) is not None:
        return True
    return body.action == "reject" and await removing.is_shown(hub, flag.session_id, flag.message_id)


async def _elsewhere(hub: Hub, body: Act) -> Place | None:
    """The other session, still open, in which whoever is to be suspended is now: it ends with this one."""
    if body.action != "suspend":
        return None
    flag = None if body.flag_id is None else await flags.flag(hub.pool, body.flag_id)
    user_id = UserId(body.user_id) if body.user_id is not None else None if flag is None else flag.user_id
    held_by = None if user_id is None else await hub.people.held_by(user_id)
    if held_by is None or held_by == body.session_id:
        return None
    place = await place_of(hub, SessionId(held_by))
    return place if place.open else None


async def _flag(
    connection: Transacting, place: Place, body: Act, who: Principal, *, now_ms: int
) -> Flag | None:
    """The case, for this moderator to decide. What somebody else has claimed, or decided, is theirs."""
    flag = None if body.flag_id is None else await flags.lock_flag(connection, body.flag_id)
    if body.flag_id is not None and (flag is None or flag.session_id != place.session_id):
        raise NotFound
    require_foreign(place, flag, who)
    if flag is None:
        return None
    if flag.claim.held(now_ms) and flag.claimed_by != who.user_id:
        raise queue.Taken
    if flag.status in ("resolved", "dismissed") and flag.resolved_by != who.user_id:
        raise queue.Closed
    return flag


async def _decide(
    hub: Hub,
    connection: Transacting,
    who: Principal,
    body: Act,
    place: Place,
    flag: Flag | None,
    elsewhere: Place | None,
) -> Action:
    """Put the decision on record with everything that follows from it in Postgres. The audit comes last."""
    now_ms = hub.now_ms()
    decided = moderation.sanction(
        body.action,
        category=None if flag is None else flag.category,
        subject=None if flag is None else flag.user_id,
        at_fault=None if body.user_id is None else UserId(body.user_id),
        held=flag is not None and flag.verdict == "hold",
    )
    if flag is None:
        await _require_no_distress(connection, place, decided)
    _require_fitting(place, decided, body, now_ms=now_ms)
    if elsewhere is not None and decided.user_id not in elsewhere.people:
        elsewhere = None
    action = await record(hub, connection, who, body, place, flag, decided, elsewhere, now_ms=now_ms)
    if flag is not None and body.action in CLOSES:
        status, resolution = _outcome(decided, flag)
        await flags.resolve(
            connection,
            flag.id,
            status=status,
            resolution=resolution,
            resolved_by=who.user_id,
            now_ms=now_ms,
        )
    elif flag is not None and flag.claimed_by == who.user_id:
        renewed = claimed(hub, flag, who, version=flag.version, now_ms=now_ms)
        await flags.save_claim(connection, flag.id, renewed, now_ms=now_ms)
    await hold_against(connection, action, decided, now_ms=now_ms)
    if decided.action in ENDS:
        await kick_all(hub, connection, place, only=_alone(place, decided), now_ms=now_ms)
    if elsewhere is not None:
        await kick_all(hub, connection, elsewhere, only=_alone(elsewhere, decided), now_ms=now_ms)
        await put_on_record(
            hub, connection, who, f"acted_{body.action}", decided.user_id, elsewhere.session_id,
            action_id=action.id, flag_id=action.flag_id,
        )  # fmt: skip
    await put_on_record(
        hub, connection, who, f"acted_{body.action}", decided.user_id, place.session_id,
        action_id=action.id, flag_id=action.flag_id,
    )  # fmt: skip
    if decided.reason == "minor" and decided.user_id is not None:
        await minors.confirm(
            connection,
            user_id=decided.user_id,
            ordered_by=who.user_id,
            session_id=place.session_id,
            appeal_ms=hub.standards.appeal_ms,
            now_ms=now_ms,
        )
    return action


def _alone(place: Place, decided: Sanction) -> UserId | None:
    """Who has to go while the others stay: a guest of a live room that goes on."""
    user_id = decided.user_id
    if place.room is None or user_id is None or decided.action == "end":
        return None
    return user_id if moderation.is_one_of_many(place.room, user_id) else None


async def _require_no_distress(connection: Transacting, place: Place, decided: Sanction) -> None:
    """Nobody is punished, past their case, who may be in danger here: that is looked at first.

    Raises NotForDistress.
    """
    user_id = decided.user_id
    if user_id is None or decided.reason != "conduct":
        return
    if await flags.in_distress(connection, place.session_id, user_id):
        raise moderation.NotForDistress


def _require_fitting(place: Place, decided: Sanction, body: Act, *, now_ms: int) -> None:
    """What is decided makes sense now. Raises NotFound, NotLive, IllegalTransition, Refused(bad_request)."""
    if decided.user_id is not None and decided.user_id not in place.people:
        raise NotFound
    if decided.reason == "minor" and body.duration_s is not None:
        raise Refused(
            Code.BAD_REQUEST, "Nobody grows up in a few days.", fields={"duration_s": "not for a minor"}
        )
    if decided.action in IN_ROOM and not place.open:
        raise NotLive
    if place.room is not None and place.open:
        moderation.carry_out(place.room, decided, until_ms=None, proofs={}, now_ms=now_ms)


def _outcome(decided: Sanction, flag: Flag) -> tuple[FlagStatus, str]:
    if decided.action in ("dismiss", "release"):
        helped = flag.category == queue.DISTRESS
        return ("resolved", "helped") if helped else ("dismissed", decided.action)
    return "resolved", decided.action


async def _acted(hub: Hub, action: Action) -> Acted:
    flag = None if action.flag_id is None else await read_again(hub, action.flag_id)
    loaded = await hub.live.rooms.load(action.session_id)
    if action.action == "overrule":
        raise NotFound
    return Acted(
        action_id=action.id,
        action=action.action,
        until_ms=action.until_ms,
        flag=None if flag is None else await flagging.flag_view(hub, flag),
        session=None if loaded is None else views.session(loaded.room),
    )
