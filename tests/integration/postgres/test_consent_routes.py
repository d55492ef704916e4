"""Consent, and what is counted only with it."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import asyncpg
import pytest

from hub.counting import count, forget_marks, week_id
from hub.errors import Code, Refused
from rooms import analytics
from store.postgres import consents
from store.privacy.keys import ShreddedError
from tests.integration.postgres.people_desk import Desk, Someone, open_desk

WEEK_MS = 7 * 86_400_000


@pytest.fixture
async def desk(pool: asyncpg.Pool, owner: asyncpg.Pool, valkey: str) -> AsyncIterator[Desk]:
    await owner.execute("truncate analytics_events")
    async with open_desk(pool, valkey) as opened:
        yield opened


async def agreeing(desk: Desk) -> Someone:
    who = desk.someone()
    await who.done("PUT", "/v1/me/consents/analytics", {"granted": True})
    return who


async def refusal(desk: Desk, who: Someone, name: str = "app_opened", **props: Any) -> Code:
    with pytest.raises(Refused) as refused:
        await count(desk.hub, who.id, name, props)
    return refused.value.code


async def test_every_decision_is_kept_and_the_last_one_holds(desk: Desk) -> None:
    who = desk.someone()
    before = await who.get("/v1/me/consents")
    assert before["items"] == [
        {"purpose": purpose, "granted": False, "at_ms": None} for purpose in ("analytics", "sms", "recording")
    ]
    assert before["history"] == []
    said = []
    for granted in (True, True, False, False, True):
        desk.now_ms += 1_000
        told = await who.done("PUT", "/v1/me/consents/sms", {"granted": granted})
        said.append(told["at_ms"])
        assert told["granted"] is granted
    after = await who.get("/v1/me/consents")
    assert [one["granted"] for one in after["history"]] == [True, False, True]
    assert said[0] == said[1]
    assert said[2] == said[3]
    assert {one["purpose"]: one["granted"] for one in after["items"]} == {
        "analytics": False, "sms": True, "recording": False,
    }  # fmt: skip
    assert await consents.granted(desk.pool, who.id, "sms")
    assert not await consents.granted(desk.pool, who.id, "recording")
    assert (await desk.someone().get("/v1/me/consents"))["history"] == []


async def test_a_no_to_what_nobody_agreed_to_is_no_decision(desk: Desk) -> None:
    who = desk.someone()
    assert await who.done("PUT", "/v1/me/consents/sms", {"granted": False}) == {
        "purpose": "sms", "granted": False, "at_ms": None,
    }  # fmt: skip


async def test_decisions_at_once_leave_no_doubles(desk: Desk) -> None:
    who = desk.someone()
    await who.get("/v1/me")
    await asyncio.gather(
        *(who.done("PUT", "/v1/me/consents/sms", {"granted": n % 2 == 0}) for n in range(12))
    )
    history = [one["granted"] for one in (await who.get("/v1/me/consents"))["history"]]
    assert all(a != b for a, b in pairwise(history))


@pytest.mark.parametrize("body", [{}, {"granted": None}, {"granted": 1}, {"granted": "true"}, [], "x",
                                  {"granted": True, "purpose": "sms"}])  # fmt: skip
async def test_an_answer_is_yes_or_no(desk: Desk, body: object) -> None:
    who = desk.someone()
    assert (await who.refusal("PUT", "/v1/me/consents/sms", body))[0] == "bad_request"
    assert (await who.get("/v1/me/consents"))["history"] == []


@pytest.mark.parametrize("purpose", ["marketing", "SMS", "policy", "sms%20", "x" * 300])
async def test_there_are_three_purposes(desk: Desk, purpose: str) -> None:
    who = desk.someone()
    assert (await who.refusal("PUT", f"/v1/me/consents/{purpose}", {"granted": True}))[0] == "not_found"


async def test_nobody_can_change_what_was_said(desk: Desk) -> None:
    who = await agreeing(desk)
    for change in ("update consents set granted = false", "delete from consents"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await desk.pool.execute(f"{change} where person_id = $1", who.id)


async def test_without_consent_nothing_is_kept(desk: Desk) -> None:
    who = desk.someone()
    assert await refusal(desk, who) is Code.FORBIDDEN
    await who.get("/v1/me")
    assert await refusal(desk, who) is Code.FORBIDDEN
    await who.done("PUT", "/v1/me/consents/analytics", {"granted": True})
    await count(desk.hub, who.id, "app_opened", {"device": "phone"})
    await who.done("PUT", "/v1/me/consents/analytics", {"granted": False})
    assert await refusal(desk, who) is Code.FORBIDDEN
    for purpose in ("sms", "recording"):
        await who.done("PUT", f"/v1/me/consents/{purpose}", {"granted": True})
    assert await refusal(desk, who) is Code.FORBIDDEN
    assert await desk.pool.fetchval("select count(*) from analytics_events") == 1


async def test_after_a_no_was_answered_nothing_more_is_counted(desk: Desk) -> None:
    for _ in range(5):
        who = await agreeing(desk)
        stop = asyncio.Event()

        async def go_on(who: Someone = who, stop: asyncio.Event = stop) -> None:
            while not stop.is_set():
                try:
                    await count(desk.hub, who.id, "app_opened", {})
                except Refused:
                    return

        busy = [asyncio.create_task(go_on()) for _ in range(4)]
        await who.done("PUT", "/v1/me/consents/analytics", {"granted": False})
        counted = await desk.pool.fetchval("select count(*) from analytics_events")
        stop.set()
        await asyncio.gather(*busy)
        assert await desk.pool.fetchval("select count(*) from analytics_events") == counted


async def test_what_is_wrong_with_an_event_is_said_before_anything_else(desk: Desk) -> None:
    who = await agreeing(desk)
    assert await refusal(desk, who, "keystroke") is Code.BAD_REQUEST
    assert await refusal(desk, who, email="ada@example.com") is Code.BAD_REQUEST
    assert await refusal(desk, who, device="Ada's phone") is Code.BAD_REQUEST
    assert await desk.pool.fetchval("select count(*) from analytics_events") == 0


async def test_nobody_is_in_what_is_kept(desk: Desk) -> None:
    who = await agreeing(desk)
    for _ in range(2):
        await count(desk.hub, who.id, "app_opened", {"device": "phone"})
    desk.now_ms += WEEK_MS
    await forget_marks(desk.hub.keyring, analytics.week_from_ms(analytics.week(desk.now_ms)))
    await count(desk.hub, who.id, "app_opened", {"device": "phone"})
    rows = [dict(row) for row in await desk.pool.fetch("select * from analytics_events order by id")]
    assert rows[0].keys() == {"id", "week", "name", "props", "marked"}
    assert rows[0]["marked"] == rows[1]["marked"] != rows[2]["marked"]
    assert who.id not in str(rows)
    assert who.id.replace("-", "") not in str([row["marked"].hex() for row in rows])
    # The week before is over: its key is gone, and nobody can make the mark again.
    await forget_marks(desk.hub.keyring, desk.now_ms)
    last = analytics.week(desk.now_ms)
    with pytest.raises(ShreddedError):
        await desk.hub.keyring.load(week_id(last - 1))
    assert (await desk.hub.keyring.load(week_id(last))).mark(who.id.encode()) == rows[2]["marked"]
    desk.now_ms -= WEEK_MS
    assert await refusal(desk, who) is Code.UNAVAILABLE


async def test_fewer_than_ten_are_left_out(desk: Desk) -> None:
    admin = desk.someone("admin")
    desk.now_ms += 20 * WEEK_MS
    people = [await agreeing(desk) for _ in range(11)]
    for number, who in enumerate(people):
        await count(desk.hub, who.id, "app_opened", {"device": "phone"})
        if number < 9:
            for _ in range(3):
                await count(desk.hub, who.id, "app_opened", {"device": "tablet"})
        if number < 10:
            await count(desk.hub, who.id, "page_viewed", {"page": "receipt"})
    first_ms = desk.now_ms
    desk.now_ms += WEEK_MS
    await count(desk.hub, people[0].id, "page_viewed", {"page": "receipt"})
    # Nine of one week and one of the next are not ten people.
    await count(desk.hub, people[10].id, "app_opened", {"device": "tablet"})
    counts = await admin.get(f"/v1/admin/analytics?from_ms={first_ms}&to_ms={desk.now_ms}")
    cells = [(one["name"], one["props"], one["events"], one["people"]) for one in counts["items"]]
    assert cells == [
        ("app_opened", {"device": "phone"}, 11, 11),
        ("page_viewed", {"page": "receipt"}, 10, 10),
    ]
    assert counts["from_ms"] <= first_ms < counts["items"][0]["week_from_ms"] + WEEK_MS
    narrow = await admin.get(f"/v1/admin/analytics?from_ms={desk.now_ms}&to_ms={desk.now_ms}")
    assert narrow["items"] == []


@pytest.mark.parametrize(
    "query",
    ["", "from_ms=1", "to_ms=1", "from_ms=x&to_ms=1", "from_ms=-1&to_ms=1", "from_ms=1.5&to_ms=2",
     "from_ms=&to_ms=",
     "from_ms=1&to_ms=1&by=person", "from_ms=99999999999999&to_ms=1", "from_ms=1&from_ms=2&to_ms=3",
     f"from_ms={'9' * 16}&to_ms={'9' * 16}"],
)  # fmt: skip
async def test_a_time_is_named_rightly(desk: Desk, query: str) -> None:
    assert (await desk.someone("admin").refusal("GET", f"/v1/admin/analytics?{query}"))[0] == "bad_request"


async def test_only_admins_see_counts(desk: Desk) -> None:
    for role in ("guest", "practitioner", "moderator"):
        who = desk.someone(role)
        assert (await who.refusal("GET", "/v1/admin/analytics?from_ms=1&to_ms=2"))[0] == "forbidden"
    whole = f"from_ms=0&to_ms={'9' * 15}"
    assert (await desk.someone("admin").get(f"/v1/admin/analytics?{whole}"))["items"] == []
