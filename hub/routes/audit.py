"""The audit chain as staff read it: moderators what they did themselves, admins everything, with a reason."""

from typing import Any

from aiohttp import web
from msgspec import Struct

from hub.edge.auth import Principal
from hub.hub import Hub
from hub.routes.admin import NUMBER
from hub.routes.answer import Route, bad_request, limit, query
from store.postgres import audit

REASON_MAX = 500


class Audited(Struct, frozen=True):
    """An entry. What a person wrote in `detail` is null once it was erased."""

    n: int
    at_ms: int
    actor_id: str
    actor_role: str
    action: str
    subject_id: str | None
    session_id: str | None
    detail: dict[str, Any]


class Audit(Struct, frozen=True):
    """A page of the chain, the newest first."""

    items: list[Audited]
    cursor: str | None


async def read_audit(hub: Hub, who: Principal, request: web.Request) -> Audit:
    """`GET /v1/moderation/audit`: one's own entries; an admin's `reason` opens all. Reading is audited."""
    given = query(request, ("cursor", "limit", "reason"))
    size, before, reason = limit(given), _before(given), _reason(given, who)
    actor_id = None if reason else str(who.user_id)
    async with hub.pool.acquire() as connection, connection.transaction():
        found = await audit.listed(connection, actor_id=actor_id, before=before, limit=size)
        sealed = await audit.texts_of(connection, [one.n for one in found])
        await audit.append(
            connection,
            actor_id=who.user_id,
            actor_role=who.role,
            action="audit_read",
            subject_id=None,
            session_id=None,
            detail={"reason": reason, "all": int(actor_id is None), "before": before},
            now_ms=hub.now_ms(),
            keyring=hub.keyring,
        )
    texts: dict[int, dict[str, str | None]] = {}
    for text in sealed:
        texts.setdefault(text.n, {})[text.name] = await audit.opened(hub.keyring, text)
    items = [
        Audited(
            one.n,
            one.at_ms,
            one.actor_id,
            one.actor_role,
            one.action,
            one.subject_id,
            one.session_id,
            one.words(texts.get(one.n, {})),
        )
        for one in found
    ]
    return Audit(items, str(items[-1].n) if len(items) == size else None)


def _before(given: dict[str, str]) -> int | None:
    value = given.get("cursor")
    if value is None:
        return None
    if NUMBER.fullmatch(value) is None:
        raise bad_request("cursor", "not one of ours")
    return int(value)


def _reason(given: dict[str, str], who: Principal) -> str | None:
    reason = given.get("reason", "").strip()
    if "reason" in given and (not 1 <= len(reason) <= REASON_MAX or "\0" in reason):
        raise bad_request("reason", f"expected 1 to {REASON_MAX} characters")
    if reason and who.role != "admin":
        raise bad_request("reason", "only admins read what others did")
    return reason or None


ROUTES = [Route("GET", "/v1/moderation/audit", Audit, read_audit)]
