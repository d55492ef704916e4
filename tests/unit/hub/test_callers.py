"""Who comes from where is noted once a day, for those who pay or are paid, and never without a bound."""

from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from hub import callers
from hub.callers import Callers, remembering
from hub.edge.auth import Principal
from rooms.ids import Role, UserId

DAY_MS = 86_400_000


class Clock:
    now = 1_790_000_000_000


def principal(role: Role = "guest") -> Principal:
    return Principal(UserId(str(uuid4())), role, str(uuid4()), 0, "aal1", "", "")


@pytest.fixture
def noting() -> Callers:
    Clock.now = 1_790_000_000_000
    return Callers(None, bytes(32), now_ms=lambda: Clock.now)  # type: ignore[arg-type]


async def come(noting: Callers, *people: Principal, forwarded: str = "") -> None:
    """One request in which all of these turn out to be who asks."""

    async def handle(_request: web.Request) -> web.Response:
        for person in people:
            noting.note(person)
        return web.Response()

    app: Any = web.Application(middlewares=[remembering(["127.0.0.1"])])
    app.router.add_get("/", handle)
    async with TestClient(TestServer(app)) as client:
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        assert (await client.get("/", headers=headers)).status == 200


def kinds(noting: Callers) -> list[str]:
    return [one.kind for one in noting._waiting]


async def test_a_person_is_noted_once_a_day(noting: Callers) -> None:
    person = principal()
    for _ in range(3):
        await come(noting, person, person, forwarded="93.184.215.14")
    assert sorted(kinds(noting)) == ["browser", "device", "network"]
    Clock.now += DAY_MS
    await come(noting, person, forwarded="93.184.215.14")
    assert len(kinds(noting)) == 6


async def test_staff_and_what_comes_without_a_request_are_not_noted(noting: Callers) -> None:
    noting.note(principal())
    await come(noting, principal("moderator"), principal("admin"))
    assert kinds(noting) == []


async def test_what_waits_is_bounded_and_left_out_only_for_now(
    noting: Callers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(callers, "WAITING", 2)
    people = [principal() for _ in range(4)]
    await come(noting, *people)
    assert [one.person_id for one in noting._waiting] == [one.user_id for one in people[:2]]
    noting._waiting.clear()
    await come(noting, *people)
    assert [one.person_id for one in noting._waiting] == [one.user_id for one in people[2:]]


async def test_what_is_remembered_is_bounded(noting: Callers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "REMEMBERED", 3)
    await come(noting, *(principal() for _ in range(9)))
    assert len(noting._known) == 3
