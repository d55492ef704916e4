"""Every cell of the access table against real processes, over the socket and over HTTP.

Who may not is refused and changes nothing; who may gets past; and whoever may names in vain what is not
theirs, what is not there, and what is their own case.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator

import pytest

from hub.access import EVENTS, ROLES, ROUTES, Row
from rooms.ids import Role
from sandbox.visitor import Json, Visitor
from tests.acceptance.everybody import WHY, Ground, code, everybody, ids_in, leave, unsigned
from tests.acceptance.test_bad_input import Stage, stage  # noqa: F401  A fixture.
from tests.acceptance.wrong import NOBODY

TABLE: dict[str, Row] = EVENTS | ROUTES
PAST = {"forbidden", "unauthenticated"}
"""What nobody is told who may."""
LAST = ("analytics:event", "room:remove", "room:leave", "session:end", "moderation:act")
"""Who is out of the room may not write there, and nothing is counted before consent: these come last."""


@pytest.fixture
async def ground(stage: Stage) -> AsyncIterator[Ground]:  # noqa: F811
    there = await everybody(stage)
    yield there
    await leave(there)


def query(ground: Ground, name: str, role: Role, flag: str | None = None) -> dict[str, str]:
    given = ground.query(name, flag=flag)
    return {**given, "reason": WHY} if name.startswith("GET ") and TABLE[name].cell(role).why else given


async def ask(ground: Ground, name: str, role: Role) -> str:
    """What a role hears that sends a row's event or request as it should be."""
    who = ground.people[role]
    if name in EVENTS:
        return await code(who, name, ground.body(name, role))
    return await ground.http(who, name, ground.path(name), query(ground, name, role), ground.request(name))


async def test_every_cell(ground: Ground) -> None:
    before = await ground.state()
    denied = [(name, role) for name, row in TABLE.items() for role in ROLES if role not in row.who]
    wrong = [
        f"{name} as {role}, who may not: {told}"
        for name, role in denied
        if (told := await ask(ground, name, role)) != "forbidden"
    ]
    wrong += [f"{name} as nobody: {told}" async for name, told in asked_by_nobody(ground)]
    assert wrong == []
    assert await ground.state() == before
    names = sorted(TABLE, key=LAST.__contains__)
    allowed = [(name, role) for name in names for role in ROLES if role in TABLE[name].who]
    wrong = [
        f"{name} as {role}, who may: {told}"
        for name, role in allowed
        if (told := await ask(ground, name, role)) in PAST
    ]
    assert wrong == []
    tried = len(denied) + len(TABLE) + len(allowed)
    print(f"\n{tried} cells tried: {len(EVENTS)} events and {len(ROUTES)} routes, 4 roles and nobody")


async def asked_by_nobody(ground: Ground) -> AsyncIterator[tuple[str, object]]:
    """Rows that answer nobody with anything but `unauthenticated`."""
    for name in ROUTES:
        told = await ground.http(None, name, ground.path(name), ground.query(name), ground.request(name))
        if told != "unauthenticated":
            yield name, told
    hub = ground.scene.stack.hub_urls[0]
    heard = await asyncio.gather(
        *(unsigned(ground.scene.http, hub, name, ground.body(name, "guest")) for name in EVENTS)
    )
    for name, frames in zip(EVENTS, heard, strict=True):
        if len(frames) != 1 or not frames[0].startswith("44") or "unauthenticated" not in frames[0]:
            yield name, frames


async def test_without_a_reason_nothing_is_done(ground: Ground) -> None:
    before, wrong, tried = await ground.state(), [], 0
    for name, row in TABLE.items():
        for role in (role for role in ROLES if row.cell(role).why):
            tried += 1
            who = ground.people[role]
            if name in EVENTS:
                body = {
                    key: " " if key in ("reason", "note") else value
                    for key, value in ground.body(name, role).items()
                }
                told = await code(who, name, body)
            else:
                body = {
                    key: value for key, value in ground.request(name).items() if key not in ("reason", "note")
                }
                told = await ground.http(who, name, ground.path(name), ground.query(name), body)
            if told != "bad_request":
                wrong.append(f"{name} as {role}, without a reason: {told}")
    assert wrong == []
    assert tried > 10
    assert await ground.state() == before


# What one may, but not with this.

Attempt = tuple[str, str, set[str], Awaitable[str]]
"""A word on what is tried, the name that it is tried by, what must be answered, and the attempt."""

ANSWERED_ANYHOW: dict[str, set[str]] = {
    "DELETE /v1/me/blocks/{id}": {"ok"},
    "DELETE /v1/me/favourites/{id}": {"ok"},
    "DELETE /v1/me/waitlist/{id}": {"ok"},
    "GET /v1/admin/sessions/{id}/operations": {"ok"},
}
"""Rows that say of what is not there that there is none: no block any more, no favourite, no operation."""


def events(ground: Ground, name: str, role: Role) -> Iterator[Attempt]:
    who, body, scope = ground.people[role], ground.body(name, role), TABLE[name].cell(role).scope
    if "session_id" in body:
        yield "nobody's", "session_id", {"not_found"}, code(who, name, {**body, "session_id": NOBODY})
        if scope in ("party", "host", "self"):
            told = code(who, name, {**body, "session_id": ground.stage.foreign_id})
            yield "somebody else's", "session_id", {"not_found"}, told
        if scope == "case":
            told = code(ground.own[role], name, {**body, "session_id": ground.own_id})
            yield "one's own", "session_id", {"forbidden"}, told
    for named in {"user_id", "to", "practitioner_id", "message_id"} & body.keys():
        more: Json = {"message_id": None} if named == "user_id" and "message_id" in body else {}
        yield "nobody's", named, {"not_found"}, code(who, name, {**body, **more, named: NOBODY})
        if scope in ("party", "host"):
            told = code(who, name, {**body, **more, named: ground.stranger.id})
            yield "somebody else's", named, {"not_found"}, told
    if "flag_id" in body:
        about = {"session_id": ground.own_id} if "session_id" in body else {}
        yield "nobody's", "flag_id", {"not_found"}, code(who, name, {**body, "flag_id": NOBODY})
        told = code(ground.own[role], name, {**body, **about, "flag_id": ground.own_flag})
        yield "one's own", "flag_id", {"forbidden"}, told
    if "token" in body:
        yield "another's", "token", {"forbidden"}, code(who, name, {"token": ground.stranger.token})


def routes(ground: Ground, name: str, role: Role) -> Iterator[Attempt]:
    who, scope, body = ground.people[role], TABLE[name].cell(role).scope, ground.request(name)
    given, path = query(ground, name, role), ground.path(name)
    missing = ANSWERED_ANYHOW.get(name, {"not_found"})
    template = name.partition(" ")[2]
    for named in ids_in(name):
        if named == "number":
            told = ground.http(who, name, path, given, body)
            yield "nobody's", named, {"not_found"}, told
        elif named == "id":
            told = ground.http(who, name, template.replace("{id}", NOBODY), given, body)
            yield "nobody's", named, missing, told
            yield from _others(ground, name, role, given, body)
        elif named == "flag_id":
            own = query(ground, name, role, flag=ground.own_flag)
            yield "one's own", named, {"forbidden"}, ground.http(ground.own[role], name, path, own, body)
        else:
            told = ground.http(who, name, path, given, {**body, named: NOBODY})
            yield "nobody's", named, {"not_found"}, told
            if scope == "case" and named == "session_id":
                own_body = {**body, named: ground.own_id}
                told = ground.http(ground.own[role], name, path, given, own_body)
                yield "one's own", named, {"forbidden"}, told
            if scope == "self":
                yield "somebody else's", named, {"not_found"}, ground.http(who, name, path, given, body)


def _others(ground: Ground, name: str, role: Role, given: dict[str, str], body: Json) -> Iterator[Attempt]:
    """What is there, and is not for them: a stranger's, or their own case."""
    who, scope, template = ground.people[role], TABLE[name].cell(role).scope, name.partition(" ")[2]
    if scope == "party":
        told = ground.http(who, name, template.replace("{id}", ground.stage.foreign_id), given, body)
        yield "somebody else's", "id", {"not_found"}, told
    elif scope == "case":
        by, path = _own_case(ground, name, role)
        yield "one's own", "id", {"forbidden"}, ground.http(by, name, path, given, body)


def _own_case(ground: Ground, name: str, role: Role) -> tuple[Visitor, str]:
    if "/people/" in name:
        who = ground.people[role]
        return who, name.partition(" ")[2].replace("{id}", who.id)
    if "/refunds/" in name or "/fraud/" in name:
        return ground.people[role], ground.path(name, own=True)
    return ground.own[role], ground.path(name, own=True)


async def test_what_is_not_theirs(ground: Ground) -> None:
    before, wrong, tried = await ground.state(), [], 0
    for name, row in TABLE.items():
        for role in (role for role in ROLES if role in row.who):
            named = set()
            for what, by, codes, attempt in (events if name in EVENTS else routes)(ground, name, role):
                tried, told = tried + 1, await attempt
                named.add(by)
                if told not in codes:
                    wrong.append(f"{name} as {role}, {by} {what}: {told}, not {codes}")
            if not named >= ids_in(name):
                wrong.append(f"{name} as {role}: nothing was tried with {ids_in(name) - named}")
    assert wrong == []
    assert await ground.state() == before
    print(f"\n{tried} attempts by those who may, with what is not theirs")


async def test_whoever_decided_does_not_decide_again(ground: Ground) -> None:
    before = await ground.state()
    name = "POST /v1/moderation/appeals/{id}/decide"
    told = await ground.http(ground.decider, name, ground.path(name), {}, ground.request(name))
    assert told == "forbidden"
    assert await ground.state() == before


async def test_lists_leave_out_what_is_not_theirs(ground: Ground) -> None:
    scene, moderator, own = ground.scene, ground.people["moderator"], ground.own
    for path, there in (
        ("/v1/moderation/flags", ground.own_flag),
        ("/v1/moderation/appeals", ground.own_appeal),
    ):
        assert there in await listed(moderator, path)
        assert there not in await listed(own["moderator"], path)
    assert ground.own_flag not in await listed(own["admin"], "/v1/moderation/flags", reason=WHY)
    queue = [one["id"] for one in (await own["moderator"].ask("moderation:watch"))["flags"]]
    assert ground.own_flag not in queue
    assert ground.flag in queue
    for path in ("/v1/me/sessions", "/v1/me/blocks", "/v1/me/appeals", "/v1/me/actions"):
        theirs = set(await listed(ground.stranger, path))
        assert theirs.isdisjoint([*ground.stage.sessions, ground.appeal, ground.own_appeal, ground.action])
    rows = await scene.sql(
        "select detail from audit_entries where actor_id = $1 and action = 'flags_listed'", own["admin"].id
    )
    assert len(rows) == 1


async def listed(who: Visitor, path: str, **given: str) -> list[str]:
    found: list[str] = []
    page = await who.get(path, limit="100", **given)
    found += [one["id"] for one in page["items"]]
    return found
