"""Appeals: the person concerned says why a decision was wrong, once, and another moderator looks at it again.

Overruling undoes: the strike counts no more, the suspension is lifted, the mute is taken back, nobody is
removed for being a minor, and the person is told. Where money followed from it, an admin looks at that:
nobody repays by pressing one button.
"""

import uuid_utils

from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.moderation import effects, flagging, minors
from hub.moderation.deciding import FINISH_MS
from hub.moderation.own_cases import require_foreign
from hub.safety.notices import Notice, tell
from hub.wire_moderation import DecideAppeal, MakeAppeal
from rooms.errors import NotFound
from rooms.ids import UserId
from rooms.moderation import APPEALABLE
from rooms.safety.free_text import masked
from store.moderation_records import Action, Appeal
from store.postgres import acts, appeals, audit, cases, flags, suspensions
from store.postgres.pool import Db, Transacting
from store.privacy.bindings import action_note_aad, appeal_aad, appeal_note_aad
from store.privacy.keys import SealBrokenError, ShreddedError

WITH_MONEY = frozenset({"remove", "end", "suspend"})
"""What may have decided who pays for a session."""


async def make(hub: Hub, who: Principal, body: MakeAppeal) -> Appeal:
    """Say something against a decision about oneself. The same again gives the same appeal.

    Raises Refused: `not_found`, `conflict` when something else was said or it was taken back, `expired`.
    """
    action = await acts.action(hub.pool, body.action_id)
    if action is None or action.user_id != who.user_id or action.action not in APPEALABLE:
        raise NotFound
    text = masked(body.text)
    known = await appeals.appeal_of_action(hub.pool, action.id)
    if known is None:
        await _require_open(hub, action)
        await _insert(hub, who, action, text)
        known = await appeals.appeal_of_action(hub.pool, action.id)
    if known is None or await read_text(hub, known) != text:
        raise Refused(Code.CONFLICT, "You have appealed against this already.")
    return known


async def _require_open(hub: Hub, action: Action) -> None:
    if hub.now_ms() - action.created_at_ms > hub.standards.appeal_ms:
        raise Refused(Code.EXPIRED, "This was decided too long ago to be appealed.")
    if await acts.undone(hub.pool, action.id):
        raise Refused(Code.CONFLICT, "This was taken back already.")


async def _insert(hub: Hub, who: Principal, action: Action, text: str) -> None:
    appeal_id, now_ms = str(uuid_utils.uuid7()), hub.now_ms()
    key = await hub.keyring.load(who.user_id)
    sealed = hub.keyring.seal(key, appeal_aad(appeal_id), text.encode())
    async with hub.pool.acquire() as connection, connection.transaction():
        made = await appeals.insert_appeal(
            connection, appeal_id, action_id=action.id, user_id=who.user_id, text=sealed, now_ms=now_ms
        )
        if made:
            await _audit(
                connection, who, "appeal_made", action, appeal_id=appeal_id, decision=None, now_ms=now_ms
            )


async def decide(hub: Hub, who: Principal, appeal_id: str, body: DecideAppeal) -> Appeal:
    """Decide an appeal; the same again gives the same answer.

    Raises Refused or RoomError: `not_found`, `forbidden` for whoever made the decision or is part of the
    case, `conflict` when it was decided otherwise.
    """
    async with hub.pool.acquire() as connection, connection.transaction():
        found = await appeals.lock_appeal(connection, appeal_id)
        action = None if found is None else await acts.action(connection, found.action_id)
        if found is None or action is None:
            raise NotFound
        await require_second(connection, action, who)
        if found.status != "open":
            if (found.status, found.decided_by) != (body.decision, who.user_id):
                raise Refused(Code.CONFLICT, "This appeal is decided already.")
            decided, taking_back = found, None
        else:
            decided, taking_back = await _decide(hub, connection, who, found, action, body)
    if taking_back is not None:
        await effects.carry_out(hub, taking_back)
    elif decided.status == "upheld" and found.status == "open":
        await tell(hub, decided.user_id, Notice("appeal_upheld", action.session_id, action_id=action.id))
    if action.flag_id is not None:
        await flagging.tell_changed(hub, action.flag_id)
    return decided


async def require_second(db: Db, action: Action, who: Principal) -> None:
    """A second pair of eyes, that has no part in it. Raises Refused(forbidden), OwnCase."""
    if action.actor_id == who.user_id:
        raise Refused(Code.FORBIDDEN, "You made this decision; another moderator has to look at it again.")
    flag = None if action.flag_id is None else await flags.flag(db, action.flag_id)
    concerned = () if flag is None else flag.concerned
    own = () if action.user_id is None else (action.user_id,)
    await require_foreign(db, who.user_id, action.session_id, *concerned, *own)


async def _decide(
    hub: Hub, connection: Transacting, who: Principal, appeal: Appeal, action: Action, body: DecideAppeal
) -> tuple[Appeal, str | None]:
    """The decision and all that it takes back, in one transaction; the id of the action that does."""
    now_ms = hub.now_ms()
    key = await hub.keyring.fresh(appeal.id, connection)
    note = masked(body.note)
    decided = await appeals.decide_appeal(
        connection,
        appeal.id,
        status=body.decision,
        decided_by=who.user_id,
        note=key.seal(appeal_note_aad(appeal.id), note.encode()),
        now_ms=now_ms,
    )
    if decided is None:
        raise NotFound
    undoing = None
    if body.decision == "overruled":
        undoing = await _take_back(hub, connection, who, action, note, now_ms=now_ms)
    await _audit(
        connection,
        who,
        "appeal_decided",
        action,
        appeal_id=appeal.id,
        decision=body.decision,
        now_ms=now_ms,
    )
    return decided, undoing


async def _take_back(
    hub: Hub, connection: Transacting, who: Principal, action: Action, note: str, *, now_ms: int
) -> str:
    undoing = str(uuid_utils.uuid7())
    key = await hub.keyring.fresh(undoing, connection)
    await acts.insert_action(
        connection,
        Action(
            id=undoing,
            flag_id=action.flag_id,
            session_id=action.session_id,
            actor_id=who.user_id,
            user_id=action.user_id,
            action="overrule",
            reason="none",
            note=key.seal(action_note_aad(undoing), note.encode()),
            duration_s=None,
            until_ms=None,
            before={"action": action.action},
            after={},
            undoes=action.id,
            request_id=None,
            created_at_ms=now_ms,
        ),
    )
    await acts.insert_effect(connection, undoing, next_at_ms=now_ms + FINISH_MS)
    await acts.remove_strike(connection, action.id, now_ms=now_ms)
    await suspensions.lift(connection, action.id, now_ms=now_ms)
    if action.reason == "minor" and action.user_id is not None:
        await minors.overrule(
            connection,
            user_id=action.user_id,
            overruled_by=who.user_id,
            session_id=action.session_id,
            now_ms=now_ms,
        )
    if action.action in WITH_MONEY and _moved_money(action):
        detail = {"action": action.action, "reason": action.reason}
        await cases.open_case(
            connection,
            "decision_overruled",
            session_id=action.session_id,
            detail=detail,
            now_ms=now_ms,
            subject=action.id,
        )
    return undoing


def _moved_money(action: Action) -> bool:
    """Whether a session ended by it, or everything that they ever paid was given back."""
    return bool(action.before.get("open") or action.before.get("elsewhere")) or action.reason == "minor"


async def _audit(
    connection: Transacting,
    who: Principal,
    name: str,
    action: Action,
    *,
    appeal_id: str,
    decision: str | None,
    now_ms: int,
) -> None:
    await audit.append(
        connection,
        actor_id=who.user_id,
        actor_role=who.role,
        action=name,
        subject_id=action.user_id,
        session_id=action.session_id,
        detail={"appeal_id": appeal_id, "action_id": action.id, "decision": decision},
        now_ms=now_ms,
    )


# Reading what is sealed. None for what cannot be read any more.


async def read_text(hub: Hub, appeal: Appeal) -> str | None:
    """What the person said."""
    return await opened(hub, appeal.user_id, appeal_aad(appeal.id), appeal.text)


async def read_note(hub: Hub, appeal: Appeal) -> str | None:
    """What the moderator who decided it noted."""
    if appeal.note is None:
        return None
    return await opened(hub, UserId(appeal.id), appeal_note_aad(appeal.id), appeal.note)


async def opened(hub: Hub, subject_id: str, aad: bytes, sealed: bytes) -> str | None:
    """A sealed text under the key of a person or a thing."""
    try:
        return hub.keyring.open(await hub.keyring.load(subject_id), aad, sealed).decode()
    except (ShreddedError, SealBrokenError):
        return None
