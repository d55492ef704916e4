"""The privacy policy: versions that stay, notices, and what counts as acceptance."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest

from hub.edge.auth import Principal
from hub.edge.connection import Connection
from hub.policy import Heeding, Policy
from hub.tasks import Tasks
from rooms.ids import ConnectionId
from store.postgres import admin as records
from tests.integration.postgres.people_desk import Desk, Someone, open_desk

DAY_MS = 86_400_000


class Line:
    """A socket that keeps what it was sent."""

    def __init__(self) -> None:
        self.heard_s = 0.0
        self.sent: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def end(self, reason: str) -> None:
        raise AssertionError(reason)

    @property
    def versions(self) -> list[int]:
        """Which versions it was told of."""
        bodies = [data[data.index(b"42") + 2 :] for data in self.sent if b'"policy:updated"' in data]
        return [msgspec.json.decode(body)[1]["version"] for body in bodies]


class Hall:
    """One hub's sockets, and its policy."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.sockets: list[Connection] = []
        self.tasks = Tasks()
        self.policy = Policy(
            desk.pool,
            sockets=lambda: self.sockets,
            sockets_of=lambda user_id: [one for one in self.sockets if one.user_id == user_id],
            spawn=self.tasks.spawn,
            now_ms=lambda: desk.now_ms,
        )

    def enter(self, who: Someone) -> tuple[Connection, Line]:
        line = Line()
        principal = Principal(who.id, who.role, "s", 2**50, "aal1", "", "")
        connection = Connection(
            ConnectionId(f"c{len(self.sockets)}"), principal, address="", line=line, refreshed=lambda _: None
        )
        self.sockets.append(connection)
        self.policy.opened(connection)
        return connection, line

    async def act(
        self, connection: Connection, name: str = "chat:send", answer: bytes = b'{"ok":true}'
    ) -> None:
        class Dispatched:
            async def answer(self, *_args: Any) -> bytes:
                return answer

        await Heeding(Dispatched(), self.policy).answer(connection, name, [])
        await self.settle()

    async def settle(self) -> None:
        while self.tasks._tasks:
            await asyncio.gather(*self.tasks._tasks)


@pytest.fixture
async def desk(pool: asyncpg.Pool, owner: asyncpg.Pool, valkey: str) -> AsyncIterator[Desk]:
    await owner.execute("alter table policies disable trigger policies_immutable")
    await owner.execute("delete from policies")
    await owner.execute("truncate policy_notices, policy_acceptances")
    await owner.execute("alter table policies enable trigger policies_immutable")
    async with open_desk(pool, valkey) as opened:
        yield opened


@pytest.fixture
async def hall(desk: Desk) -> Hall:
    made = Hall(desk)
    await made.policy.start()
    return made


async def publish(desk: Desk, mark: str, *, in_ms: int = 0) -> int:
    body = {
        "text_en": f"# Policy\n\nWe keep {mark}.\n", "text_fr": f"# Politique\n\n{mark}.\n",
        "reason": "New law.", "effective_at_ms": desk.now_ms + in_ms,
    }  # fmt: skip
    version: int = (await desk.someone("admin").done("POST", "/v1/admin/policies", body))["version"]
    return version


async def accepting(desk: Desk) -> Someone:
    who = desk.someone()
    await who.done("POST", "/v1/policy/acceptances", {"version": 1})
    return who


async def accepted(desk: Desk, who: Someone) -> list[tuple[int, str]]:
    rows = await desk.pool.fetch(
        "select version, basis from policy_acceptances where person_id = $1 order by version", who.id
    )
    return [tuple(row) for row in rows]


async def test_the_first_version_is_there_once(desk: Desk, hall: Hall) -> None:
    await Hall(desk).policy.start()
    who = desk.someone()
    told = await who.get("/v1/policy")
    assert (told["current"], told["version"], told["pending"], told["diff"]) == (1, 1, True, None)
    assert told["text"].startswith("# Privacy policy")
    assert (await who.get("/v1/policy?lang=fr"))["text"].startswith("# Politique")
    assert [one["version"] for one in told["items"]] == [1]


async def test_explicit_acceptance_is_kept_once(desk: Desk, hall: Hall) -> None:
    who = desk.someone()
    first = await who.done("POST", "/v1/policy/acceptances", {"version": 1})
    desk.now_ms += 1_000
    assert await who.done("POST", "/v1/policy/acceptances", {"version": 1}) == first
    assert first["basis"] == "explicit"
    told = await who.get("/v1/policy")
    assert not told["pending"]
    assert told["items"][0]["accepted"] == first
    at_ms = await desk.pool.fetchval("select policy_accepted_ms from people where id = $1", who.id)
    assert at_ms == first["at_ms"]


async def test_two_versions_are_compared(desk: Desk, hall: Hall) -> None:
    await publish(desk, "names")
    await publish(desk, "names and countries", in_ms=DAY_MS)
    who = desk.someone()
    told = await who.get("/v1/policy?from=2&to=3")
    assert told["current"] == 2
    assert [(line["change"], line["text"]) for line in told["diff"]] == [
        ("same", "# Policy"), ("same", ""), ("removed", "We keep names."),
        ("added", "We keep names and countries."),
    ]  # fmt: skip
    assert "countries" in (await who.get("/v1/policy?version=3"))["text"]
    for query in (
        "lang=de", "lang=", "version=x", "version=-1", "from=1", "to=1", "x=1", "version=1&version=2",
        "from=a&to=2",
    ):  # fmt: skip
        assert (await who.refusal("GET", f"/v1/policy?{query}"))[0] == "bad_request"
    for query in ("version=9", "from=1&to=9"):
        assert (await who.refusal("GET", f"/v1/policy?{query}"))[0] == "not_found"


async def test_an_older_version_is_accepted_no_more(desk: Desk, hall: Hall) -> None:
    await publish(desk, "names")
    await publish(desk, "countries", in_ms=DAY_MS)
    who = desk.someone()
    assert (await who.refusal("POST", "/v1/policy/acceptances", {"version": 1}))[0] == "conflict"
    for version in (2, 3):
        assert (await who.done("POST", "/v1/policy/acceptances", {"version": version}))["version"] == version
    bad: list[object] = [{"version": version} for version in (0, 9, "2", True, None)]
    for body in (*bad, {}, [], {"version": 2, "basis": "explicit"}):
        assert (await who.refusal("POST", "/v1/policy/acceptances", body))[0] == "bad_request"


async def test_going_on_after_the_notice_is_acceptance_and_coming_is_not(desk: Desk, hall: Hall) -> None:
    who = await accepting(desk)
    connection, line = hall.enter(who)
    await publish(desk, "names", in_ms=DAY_MS)
    await hall.policy.tell_all()
    assert line.versions == [2]
    await hall.act(connection)
    assert await accepted(desk, who) == [(1, "explicit")], "it is not in effect yet"
    desk.now_ms += DAY_MS
    again, second = hall.enter(who)
    await hall.settle()
    assert second.versions == [2]
    for name in ("directory:watch", "auth:refresh", "analytics:event", "chat:read"):
        await hall.act(again, name)
    await hall.act(again, answer=b'{"ok":false}')
    assert await accepted(desk, who) == [(1, "explicit")], "nothing that they meant was done"
    await hall.act(again)
    assert await accepted(desk, who) == [(1, "explicit"), (2, "continued_use")]
    _, quiet = hall.enter(who)
    await hall.settle()
    assert quiet.versions == []
    # It is no consent to anything.
    assert (await who.get("/v1/me/consents"))["history"] == []


async def test_who_comes_later_is_told_then(desk: Desk, hall: Hall) -> None:
    who = await accepting(desk)
    await publish(desk, "names")
    other = Hall(desk)
    await other.policy.start()
    connection, line = other.enter(who)
    await other.act(connection)
    assert line.versions == [2]
    await other.act(connection)
    assert await accepted(desk, who) == [(1, "explicit"), (2, "continued_use")]


async def test_of_two_new_versions_each_counts_from_its_own_day(desk: Desk, hall: Hall) -> None:
    who = await accepting(desk)
    connection, line = hall.enter(who)
    await publish(desk, "names")
    await hall.policy.tell_all()
    await publish(desk, "countries", in_ms=DAY_MS)
    await hall.policy.tell_all()
    assert line.versions == [2, 3]
    await hall.act(connection)
    assert await accepted(desk, who) == [(1, "explicit"), (2, "continued_use")]
    await hall.act(connection)
    desk.now_ms += DAY_MS
    await hall.act(connection)
    assert await accepted(desk, who) == [(1, "explicit"), (2, "continued_use"), (3, "continued_use")]


async def test_who_never_accepted_accepts_nothing_by_going_on(desk: Desk, hall: Hall) -> None:
    who = desk.someone()
    await who.get("/v1/me")
    connection, line = hall.enter(who)
    await publish(desk, "names")
    await hall.policy.tell_all()
    for _ in range(2):
        await hall.act(connection)
    assert line.versions == [2]
    assert await accepted(desk, who) == []
    assert (await who.get("/v1/policy"))["pending"]


async def test_news_heard_twice_are_told_once(desk: Desk, hall: Hall) -> None:
    _, line = hall.enter(await accepting(desk))
    await publish(desk, "names")
    for _ in range(3):
        hall.policy.hear()
        await hall.settle()
    assert line.versions == [2]


async def test_a_published_version_stays(desk: Desk, hall: Hall, owner: asyncpg.Pool) -> None:
    for change in ("update policies set text_en = 'x'", "delete from policies", "truncate policies"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await desk.pool.execute(change)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await owner.execute(change)


async def test_only_admins_publish_and_everything_is_on_record(desk: Desk, hall: Hall) -> None:
    admin, good = desk.someone("admin"), {"text_en": "a", "text_fr": "b", "reason": "x"}
    for role in ("guest", "practitioner", "moderator"):
        assert (await desk.someone(role).refusal("POST", "/v1/admin/policies", good))[0] == "forbidden"
    wrongs: dict[str, list[object]] = {
        "reason": ["", None, "x" * 501],
        "effective_at_ms": [desk.now_ms - DAY_MS, "now", 2**60, -1, True],
        "text_en": ["", None, 1, "\n" * 1_001, "x" * 25_001],
        "text_fr": ["", None, 1, "\n" * 1_001, "x" * 25_001],
        "version": [7],
    }
    bad: list[dict[str, object]] = [
        {**good, name: value} for name, values in wrongs.items() for value in values
    ]
    for wrong in ({}, {"reason": "x", "text_en": "a"}, {"reason": "x", "text_fr": "a"}, *bad):
        assert (await admin.refusal("POST", "/v1/admin/policies", wrong))[0] == "bad_request", wrong
    # What is deployed is what the first version says already.
    assert (await admin.refusal("POST", "/v1/admin/policies", {"reason": "x"}))[0] == "conflict"
    assert await publish(desk, "names", in_ms=DAY_MS) == 2
    before = {**good, "effective_at_ms": desk.now_ms}
    assert (await admin.refusal("POST", "/v1/admin/policies", before))[0] == "bad_request"
    assert (
        await admin.done(
            "POST", "/v1/admin/policies", {"reason": "x", "effective_at_ms": desk.now_ms + DAY_MS}
        )
    )["version"] == 3
    actions = await records.actions(desk.pool, before=None, limit=20)
    published = [one for one in actions if one.action == "policy_published"]
    keyring = desk.hub.keyring
    told = [(one.subject, await records.reason_of(keyring, one)) for one in published[:2]]
    assert told == [("3", "x"), ("2", "New law.")]
