"""Whatever somebody types lies sealed: a word goes through every event and route that takes one, and is then
looked for in every table, every key of the live store and every log.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.inspect import StrType, StructType, UnionType, type_info
from redis.asyncio import Redis

from hub.access import EVENTS, ROLES, ROUTES
from hub.events import HANDLERS
from rooms.ids import Role
from sandbox.visitor import Json
from store.privacy.registry import load
from store.redis.connect import connect
from tests.acceptance.everybody import ROUTE, WHY, Ground, code, everybody, leave
from tests.acceptance.moderated import FLAGGED, moderator
from tests.acceptance.scene import FAST_MINOR_PER_MINUTE, Scene, until
from tests.acceptance.test_access import TABLE
from tests.acceptance.test_bad_input import Stage, stage  # noqa: F401  A fixture.
from tests.acceptance.test_reviews import done, paid

WORD = "quarkleberry"
TYPED = {"reason", "note", "text", "about", "title", "undisclosed_because"}
"""Fields that somebody types into."""
OFFERED = {"headline": WORD, "topics": [WORD], "about": WORD}
"""What an applicant types; once it is approved, it is for everybody to read, and lies open."""
OPEN = {"name", "email", "phone", "country", "token", "text_en", "text_fr"}
"""A profile, by which people are found and called; what is published; and tokens, which are never kept."""
LONG = 100
LAST = ("moderation:act", "room:remove", "room:leave", "session:end")
"""Who is out of the room writes nothing there."""
WRITTEN = {
    "audit_texts.text", "admin_actions.reason", "moderation_actions.note", "appeals.text", "evidence.sealed",
    "evidence.hold_reason", "applications.headline", "applications.about", "applications.reason",
    "fraud_reviews.reason", "refunds.reason", "appeals.note", "messages.body",
    "live_rooms.title", "bookings.reason", "review_versions.text", "legal_holds.reason",
    "legal_holds.undisclosed_reason",
}  # fmt: skip
"""Columns that the word must have come to."""


@pytest.fixture
async def ground(stage: Stage) -> AsyncIterator[Ground]:  # noqa: F811
    there = await everybody(stage)
    yield there
    await leave(there)


async def test_no_word_lies_anywhere_in_the_clear(ground: Ground) -> None:
    for name in sorted(TABLE, key=LAST.__contains__):
        for role in (role for role in ROLES if role in TABLE[name].who):
            await typed(ground, name, role)
    await decided(ground)
    await reviewed(ground.scene)
    admin = ground.people["admin"]
    read = await admin.get("/v1/moderation/audit", reason=WORD, limit="100")
    assert any(one["detail"].get("reason") == WORD for one in read["items"])
    acted = await admin.get("/v1/admin/actions")
    assert WORD in [one["reason"] for one in acted["items"]], acted
    scene = ground.scene
    assert WRITTEN - {place async for place in filled(scene)} == set()
    assert await in_tables(scene, WORD) == []
    assert await in_live_store(scene, WORD) == []
    assert in_logs(scene.stack.directory / "log") == []
    # It would be found: names lie open, and a reason of the pretended refunds lies in bytes.
    assert "people" in await in_tables(scene, ground.stage.guest.name)
    assert "refunds" in await in_tables(scene, WHY)
    assert await in_live_store(scene, ground.stage.guest.name) != []


async def typed(ground: Ground, name: str, role: Role) -> str:
    """Send an event or a request as it should be, with the word wherever something is typed."""
    who = ground.people[role]
    if name in EVENTS:
        return await code(who, name, words(ground.body(name, role)))
    given = ground.query(name)
    if name.startswith("GET ") and TABLE[name].cell(role).why:
        given = {**given, "reason": WORD}
    body, takes = words(ground.request(name)), ROUTE[name].body
    if takes is not None:
        body |= {field: WORD for field in typed_into(takes) if field in TYPED}
    if name == "POST /v1/me/practitioner":
        body |= OFFERED
    return await ground.http(who, name, ground.path(name), given, body)


async def decided(ground: Ground) -> None:
    """What has a story of its own: a report that is acted on and appealed, money back, a suspicion."""
    scene, admin, decider = ground.scene, ground.people["admin"], ground.decider
    guest, host, session_id = await scene.couple(rate_minor=FAST_MINOR_PER_MINUTE)
    await guest.ask("chat:send", session_id=session_id, client_id="1", text=f"{WORD} {FLAGGED}")
    filed = await guest.ask("safety:report", session_id=session_id, reason=WORD, note=WORD, user_id=host.id)
    warned = await decider.ask(
        "moderation:act", session_id=session_id, action="warn", note=WORD, user_id=host.id
    )
    made = await host.post("/v1/me/appeals", {"action_id": warned["action_id"], "text": WORD})
    other = await moderator(scene)
    answer = {"decision": "upheld", "note": WORD}
    name = "POST /v1/moderation/appeals/{id}/decide"
    assert await ground.http(other, name, f"/v1/moderation/appeals/{made['id']}/decide", {}, answer) == "ok"
    (report,) = await scene.sql("select evidence_id from reports where id = $1", filed["report_id"])
    name = "PUT /v1/admin/evidence/{id}/hold"
    path = f"/v1/admin/evidence/{report['evidence_id']}/hold"
    assert await ground.http(admin, name, path, {}, {"reason": WORD}) == "ok"

    async def owed() -> bool:
        now = await guest.ask("room:join", session_id=session_id)
        return bool(now["meter"]["billed_ms"] > 500)

    await until(owed, "time stands still")
    await guest.ask("session:end", session_id=session_id)
    await host.state(session_id, "settled")
    refund = {"session_id": session_id, "amount_minor": 50, "reason": WORD}
    assert await ground.http(admin, "POST /v1/admin/refunds", "/v1/admin/refunds", {}, refund) == "ok"
    (asked,) = await scene.sql("select id from applications where state = 'pending' limit 1")
    name, path = "POST /v1/admin/applications/{id}/decide", f"/v1/admin/applications/{asked['id']}/decide"
    assert await ground.http(admin, name, path, {}, {"decision": "reject", "reason": WORD}) == "ok"
    await scene.sql(
        "insert into fraud_findings (rule, version, mode, weight, subject_kind, subject, window_no, at_ms,"
        " reason, facts, review_id, created_at_ms)"
        " select 'pretended', 1, 'live', 1, subject_kind, subject, 1, 1, 'x', '{}', id, 1"
        " from fraud_reviews where id = $1",
        ground.review,
    )
    name, path = "POST /v1/admin/fraud/{id}/decide", f"/v1/admin/fraud/{ground.review}/decide"
    assert await ground.http(admin, name, path, {}, {"decision": "clear", "reason": WORD}) == "ok"


async def reviewed(scene: Scene) -> None:
    """A review, changed, answered and reported."""
    guest, host = await scene.guest(0), await scene.host(1)
    async with paid(scene, guest, host) as session_id:
        said = {"rating": 5, "text": WORD}
        made = await guest.post(f"/v1/sessions/{session_id}/reviews", said)
        path = f"/v1/reviews/{made['id']}"
        await done(guest, "PATCH", path, {"version": 1, "rating": 4, "text": f"{WORD} again"})
        await host.post(f"{path}/answer", {"text": WORD})
        await host.post(f"{path}/reports", {"reason": WORD, "note": WORD})


def words(body: Json) -> Json:
    return {
        key: WORD if key in TYPED and isinstance(value, str | None) else value for key, value in body.items()
    }


async def filled(scene: Scene) -> AsyncIterator[str]:
    """Sealed columns that hold something."""
    for table in load().tables.values():
        for name, column in table.columns.items():
            if column.sealed is not None:
                query = f'select exists (select from {table.name} where "{name}" is not null) as any'
                if (await scene.sql(query))[0]["any"]:
                    yield f"{table.name}.{name}"


async def in_tables(scene: Scene, word: str) -> list[str]:
    """Tables with the word in them, as text or as bytes."""
    tables = await scene.sql("select tablename as name from pg_tables where schemaname = 'public'")
    looked_for = [f"%{word}%", f"%{word.encode().hex()}%"]
    return [
        one["name"]
        for one in tables
        if await scene.sql(f'select 1 from "{one["name"]}" t where t::text ilike any($1) limit 1', looked_for)
    ]


async def in_live_store(scene: Scene, word: str) -> list[str]:
    redis = connect(scene.stack.valkey.url)
    try:
        keys = [key async for key in redis.scan_iter(count=1_000)]
        return [str(key) for key in keys if word.encode() in key + await content(redis, key)]
    finally:
        await redis.aclose()


async def content(redis: Redis, key: bytes) -> bytes:
    """Everything under a key, as its type is read."""
    kind = await redis.type(key)
    reads: dict[Any, Any] = {
        b"string": lambda: redis.get(key),
        b"hash": lambda: redis.hgetall(key),
        b"set": lambda: redis.smembers(key),
        b"zset": lambda: redis.zrange(key, 0, -1),
        b"list": lambda: redis.lrange(key, 0, -1),
        b"stream": lambda: redis.xrange(key),
        b"none": lambda: asyncio.sleep(0),
    }
    return repr(await reads[kind]()).encode()


def in_logs(folder: Path) -> list[str]:
    logs = list(folder.glob("*.log"))
    assert logs
    return [path.name for path in logs if WORD in path.read_text(errors="replace")]


def test_every_field_that_is_typed_into_is_tried() -> None:
    bodies = [HANDLERS[name].body for name in EVENTS] + [ROUTE[name].body for name in ROUTES]
    found = {name for body in bodies if body is not None for name in typed_into(body)}
    assert found - TYPED - OFFERED.keys() == OPEN
    assert found >= TYPED


def typed_into(body: type[msgspec.Struct]) -> Iterator[str]:
    """The fields of a body that take more than an id, a code or a number."""
    told = type_info(body)
    assert isinstance(told, StructType)
    for one in told.fields:
        kinds = one.type.types if isinstance(one.type, UnionType) else (one.type,)
        if any(isinstance(kind, StrType) and (kind.max_length or LONG) >= LONG for kind in kinds):
            yield one.encode_name
