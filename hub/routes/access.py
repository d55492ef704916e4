"""`/v1/me/access`: what the hub has on record about whoever asks."""

from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from hub.edge.auth import Principal
from hub.hub import Hub
from hub.routes.answer import Route, query
from store.postgres.access import OwnAction, OwnAppeal, OwnBlock, OwnRead, OwnReport, OwnSession
from store.postgres.pool import acting_as
from store.postgres.recordings import OwnRecording
from store.privacy import access
from store.records import OwnCard, Person


class Access(Struct, frozen=True):
    """Everything, in lists that name what is longer in `more`. `reads`: who read your chats, by role.

    `tables`: the rows of each table in which something of you is stored, by the names of the data map. Of
    those named in `more`, an export has the rest.
    """

    user_id: str
    profile: Person | None
    card: OwnCard | None
    sessions: list[OwnSession]
    reports: list[OwnReport]
    blocks: list[OwnBlock]
    actions: list[OwnAction]
    appeals: list[OwnAppeal]
    reads: list[OwnRead]
    recordings: list[OwnRecording]
    tables: dict[str, list[dict[str, Any]]]
    more: list[str]


async def own_access(hub: Hub, who: Principal, request: web.Request) -> Access:
    """`GET /v1/me/access`: profile, card, sessions, reports, decisions, who read your chats, and all other
    rows.
    """
    query(request, ())
    # Before a connection is taken: the keyring takes one of the same pool.
    key = await hub.keyring.load(who.user_id)
    async with acting_as(hub.pool, who.user_id) as connection:
        found: dict[str, Any] = await access.report(
            connection, who.user_id, key, hub.ages, now_ms=hub.now_ms()
        )
    return msgspec.convert(found, Access)


ROUTES = [Route("GET", "/v1/me/access", Access, own_access)]
