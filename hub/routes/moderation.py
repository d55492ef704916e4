"""What moderators look up: cases, people's history, their own decisions. Who read about whom is on record."""

from typing import TypeVar

from aiohttp import web
from msgspec import Struct

from hub.edge.auth import Principal
from hub.hub import Hub
from hub.moderation import appealing, flagging
from hub.routes.answer import Route, bad_request, cursor, limit, not_found, path_id, query, why
from hub.safety import snapshots
from hub.safety.snapshots import SnapshotMessage
from hub.wire_moderation import (
    Decision,
    Decisions,
    FlagDetail,
    FlagList,
    PersonHistory,
    Suspended,
)
from rooms import queue
from rooms.ids import SessionId, UserId
from store.moderation_records import Action, Flag
from store.postgres import acts, audit, flags, people, suspensions
from store.privacy.bindings import action_note_aad

STATUSES = ("open", "claimed", "resolved", "dismissed")
CATEGORY_MAX = 40
SHOWN = 100

T = TypeVar("T")


class FlagMessages(Struct, frozen=True):
    """What was said around a case, in order; `cursor` is always null."""

    items: list[SnapshotMessage]
    cursor: str | None


async def listed(hub: Hub, who: Principal, request: web.Request) -> FlagList:
    """`GET /v1/moderation/flags`: cases, the newest first, or as they wait by `order=queue`."""
    given = query(request, ("status", "category", "order", "cursor", "limit", "reason"))
    reason = why(who, given)
    size, status, order = limit(given), given.get("status"), given.get("order", "newest")
    if status is not None and status not in STATUSES:
        raise bad_request("status", f"expected one of {', '.join(STATUSES)}")
    if order not in ("newest", "queue"):
        raise bad_request("order", "expected newest or queue")
    if len(given.get("category", "")) > CATEGORY_MAX:
        raise bad_request("category", "too long")
    if order == "queue":
        if status is not None or "category" in given:
            raise bad_request("order", "the queue is not filtered")
        found = await flags.queue(hub.pool, who.user_id, after=cursor(given), limit=size)
    else:
        found = await flags.flag_history(
            hub.pool,
            who.user_id,
            status=status,
            category=given.get("category"),
            before=cursor(given),
            limit=size,
        )
    if reason is not None:
        await on_record(hub, who, "flags_listed", None, None, reason=reason)
    items = await flagging.flag_views(hub, [one for one in found if _young(hub, one)])
    return FlagList(items, found[-1].id if len(found) == size else None)


async def detail(hub: Hub, who: Principal, request: web.Request) -> FlagDetail:
    """`GET /v1/moderation/flags/{id}`: a case with what was done about it; an admin gives a `reason`."""
    reason = why(who, query(request, ("reason",)))
    flag = await _flag(hub, request)
    queue.require_foreign(flag.concerned, who.user_id)
    await on_record(hub, who, "flag_read", flag.user_id, flag.session_id, flag_id=flag.id, reason=reason)
    return FlagDetail(
        flag=await flagging.flag_view(hub, flag),
        actions=[await done(hub, one) for one in await acts.actions_of_flag(hub.pool, flag.id)],
        suspended=await suspensions.is_suspended(hub.pool, flag.user_id, hub.now_ms()),
    )


async def messages(hub: Hub, who: Principal, request: web.Request) -> FlagMessages:
    """`GET /v1/moderation/flags/{id}/messages`: what was said around it, once who reads it is on record.

    What was not delivered is in the evidence. An admin gives a `reason`.
    """
    reason = why(who, query(request, ("reason",)))
    flag = await _flag(hub, request)
    queue.require_foreign(flag.concerned, who.user_id)
    where = await snapshots.place(hub, flag.user_id, flag.session_id)
    said = await snapshots.around(hub, where, flag.message_id) or await snapshots.around(hub, where, None)
    opened = await snapshots.opened(hub.keyring, where, said)
    await on_record(
        hub, who, "transcript_read", flag.user_id, flag.session_id, flag_id=flag.id, reason=reason
    )
    return FlagMessages(opened, None)


async def person(hub: Hub, who: Principal, request: web.Request) -> PersonHistory:
    """`GET /v1/moderation/people/{id}`: what was decided about somebody; an admin gives a `reason`.

    Not what was decided about sessions that whoever asks took part in.
    """
    reason = why(who, query(request, ("reason",)))
    user_id = UserId(path_id(request, "id"))
    found = not_own(await people.person(hub.pool, user_id))
    queue.require_foreign([user_id], who.user_id)
    await on_record(hub, who, "person_read", user_id, None, reason=reason)
    about = await acts.actions_about(hub.pool, who.user_id, user_id, before=None, limit=SHOWN)
    return PersonHistory(
        id=found.id,
        name=found.name,
        role=found.role,
        strikes=await flagging.weight(hub, user_id),
        suspended=await suspensions.is_suspended(hub.pool, user_id, hub.now_ms()),
        suspensions=[
            Suspended(one.action_id, one.reason, one.from_ms, one.until_ms, one.lifted_at_ms)
            for one in await suspensions.suspensions_of(hub.pool, who.user_id, user_id)
            if (one.lifted_at_ms is None and one.until_ms is None) or hub.shows("suspensions", one.from_ms)
        ],
        actions=[await done(hub, one) for one in about if hub.shows("moderation_actions", one.created_at_ms)],
    )


async def actions(hub: Hub, who: Principal, request: web.Request) -> Decisions:
    """`GET /v1/moderation/actions`: what one did oneself."""
    given = query(request, ("cursor", "limit"))
    size = limit(given)
    found = await acts.actions_by(hub.pool, who.user_id, before=cursor(given), limit=size)
    items = [await done(hub, one) for one in found if hub.shows("moderation_actions", one.created_at_ms)]
    return Decisions(items, found[-1].id if len(found) == size else None)


async def _flag(hub: Hub, request: web.Request) -> Flag:
    """The case of the path, unless it is too old. Raises Refused(not_found)."""
    flag = not_own(await flags.flag(hub.pool, path_id(request, "id")))
    return not_own(flag if _young(hub, flag) else None)


def _young(hub: Hub, flag: Flag) -> bool:
    """A case that nobody has decided is never too old."""
    return flag.status in ("open", "claimed") or hub.shows("flags", flag.created_at_ms)


async def done(hub: Hub, action: Action) -> Decision:
    """An action as moderators see it."""
    return Decision(
        id=action.id,
        action=action.action,
        reason=action.reason,
        session_id=action.session_id,
        flag_id=action.flag_id,
        user_id=action.user_id,
        actor_id=action.actor_id,
        note=await appealing.opened(hub, action.id, action_note_aad(action.id), action.note),
        duration_s=action.duration_s,
        until_ms=action.until_ms,
        before=action.before,
        after=action.after,
        undoes=action.undoes,
        created_at_ms=action.created_at_ms,
    )


def not_own(found: T | None) -> T:
    """What was looked up. Raises Refused(not_found) when it is not there, or was hidden from who asks."""
    if found is None:
        raise not_found()
    return found


async def on_record(
    hub: Hub,
    who: Principal,
    action: str,
    subject_id: UserId | None,
    session_id: SessionId | None,
    reason: str | None,
    **about: str | int | None,
) -> None:
    """Before anything is shown: who looked at whom, and why if it is not their daily work."""
    if reason is not None:
        about["reason"] = reason
    async with hub.pool.acquire() as connection, connection.transaction():
        await audit.append(
            connection,
            actor_id=who.user_id,
            actor_role=who.role,
            action=action,
            subject_id=subject_id,
            session_id=session_id,
            detail=about,
            now_ms=hub.now_ms(),
            keyring=hub.keyring,
        )


ROUTES = [
    Route("GET", "/v1/moderation/flags", FlagList, listed),
    Route("GET", "/v1/moderation/flags/{id}", FlagDetail, detail),
    Route("GET", "/v1/moderation/flags/{id}/messages", FlagMessages, messages),
    Route("GET", "/v1/moderation/people/{id}", PersonHistory, person),
    Route("GET", "/v1/moderation/actions", Decisions, actions),
]
