"""`/v1/me/exports`: an archive of all that is stored about whoever asks, made beside and then had once."""

from typing import Final

import asyncpg
import uuid_utils
from aiohttp import web
from msgspec import Struct

from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.exporting import progress
from hub.hub import Hub
from hub.routes.answer import Route, not_found, path_id, query
from hub.routes.people import own_profile
from rooms.ids import UserId
from store.postgres import audit, exports, jobs
from store.postgres.exports import Export, State
from store.privacy.exports.making import QUEUE

WEEK_MS: Final = 604_800_000


class ExportView(Struct, frozen=True):
    """One export. `url` is there while it can be had: to the first complete download, or `expires_at_ms`."""

    id: str
    state: State
    progress: float
    requested_at_ms: int
    ready_at_ms: int | None
    expires_at_ms: int | None
    downloaded_at_ms: int | None
    size_bytes: int | None
    sha256: str | None
    url: str | None


async def request_export(hub: Hub, who: Principal, request: web.Request) -> ExportView:
    """`POST /v1/me/exports`: once a week; while one is standing, the answer is that one."""
    query(request, ())
    await own_profile(hub, who)
    now_ms, export_id = hub.now_ms(), str(uuid_utils.uuid7())
    async with hub.pool.acquire() as connection, connection.transaction():
        if not await exports.lock_person(connection, who.user_id):
            raise not_found()
        await exports.expire_of(connection, who.user_id, now_ms=now_ms)
        standing = await exports.standing(connection, who.user_id, now_ms=now_ms)
        if standing is not None:
            return view(standing, now_ms)
        await _require_allowance(hub, connection, who.user_id, now_ms)
        await exports.insert_export(connection, export_id, who.user_id, now_ms=now_ms)
        await jobs.enqueue(connection, QUEUE, export_id)
        made = await exports.export(connection, export_id, who.user_id)
        await note(connection, who, "export_requested", export_id, now_ms)
    if made is None:
        raise not_found()
    return view(made, now_ms)


async def one_export(hub: Hub, who: Principal, request: web.Request) -> ExportView:
    """`GET /v1/me/exports/{id}`: how far it is."""
    query(request, ())
    return view(await own_export(hub, who, request), hub.now_ms())


def view(found: Export, now_ms: int) -> ExportView:
    """An export in the words of the contract."""
    state = found.standing_at(now_ms)
    return ExportView(
        id=found.id,
        state=state,
        progress=progress(found.progress_permille),
        requested_at_ms=found.requested_at_ms,
        ready_at_ms=found.ready_at_ms,
        expires_at_ms=found.expires_at_ms,
        downloaded_at_ms=found.downloaded_at_ms,
        size_bytes=found.size_bytes,
        sha256=None if found.sha256 is None else found.sha256.hex(),
        url=f"/v1/me/exports/{found.id}/download" if state == "ready" else None,
    )


async def own_export(hub: Hub, who: Principal, request: web.Request) -> Export:
    """The export of the path, if it is one of who asks. Raises Refused(not_found)."""
    found = await exports.export(hub.pool, path_id(request, "id"), who.user_id)
    if found is None:
        raise not_found()
    return found


async def _require_allowance(
    hub: Hub, connection: asyncpg.pool.PoolConnectionProxy, person_id: UserId, now_ms: int
) -> None:
    """By the record: an archive is too much to make twice because the live store has lost a counter."""
    if hub.exports_per_week == 0:
        return
    before_ms = await exports.nth_last(
        connection, person_id, since_ms=now_ms - WEEK_MS, n=hub.exports_per_week
    )
    if before_ms is not None:
        raise Refused(
            Code.RATE_LIMITED,
            "You have had your export of this week.",
            retry_after_ms=max(1, before_ms + WEEK_MS - now_ms),
        )


async def note(
    connection: asyncpg.pool.PoolConnectionProxy, who: Principal, action: str, export_id: str, now_ms: int
) -> None:
    """Put on record what was done about an export, in the caller's transaction."""
    await audit.append(
        connection,
        actor_id=who.user_id,
        actor_role=who.role,
        action=action,
        subject_id=who.user_id,
        session_id=None,
        detail={"export_id": export_id},
        now_ms=now_ms,
    )


ROUTES = [
    Route("POST", "/v1/me/exports", ExportView, request_export),
    Route("GET", "/v1/me/exports/{id}", ExportView, one_export),
]
