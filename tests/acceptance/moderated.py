"""Moderators and their cases: what the acceptance tests of moderation begin with."""

import uuid_utils

from sandbox.visitor import Json, Visitor
from tests.acceptance.scene import Scene

FLAGGED = "I'm 15"
"""Delivered, and a hint that somebody has to look at."""


async def moderator(scene: Scene, hub: int = 1) -> Visitor:
    """A moderator who watches the queue."""
    visitor = await scene.enter(await scene.person("moderator"), hub)
    await visitor.ask("moderation:watch")
    return visitor


async def case(scene: Scene, session_id: str, user_id: str, category: str = "harassment") -> Json:
    """A case as a rule raises it, put on record by another process that said nothing: watchers find it."""
    now_ms = (await scene.sql("select (extract(epoch from now()) * 1000)::bigint as ms"))[0]["ms"]
    flag = {"id": str(uuid_utils.uuid7())}
    await scene.sql(
        "insert into flags (id, session_id, user_id, category, severity, rule, rule_version, verdict, source,"
        " due_by_ms, created_at_ms, updated_at_ms)"
        " values ($1, $2, $3, $4, 'high', 'test', '1', 'flag', 'rule', $5, $5, $5)",
        flag["id"],
        session_id,
        user_id,
        category,
        now_ms,
    )
    return flag


async def heard(visitor: Visitor, flag_id: str, status: str, since: int = 0) -> Json:
    told = await visitor.hear(
        "moderation:flag",
        lambda body: body["flag"]["id"] == flag_id and body["flag"]["status"] == status,
        since=since,
    )
    flag: Json = told["flag"]
    return flag


async def act(who: Visitor, session_id: str, action: str, **more: object) -> Json:
    return await who.ask("moderation:act", session_id=session_id, action=action, note="because", **more)


async def notice(visitor: Visitor, code: str, since: int = 0) -> Json:
    return await visitor.hear("safety:notice", lambda body: body["code"] == code, since=since)
