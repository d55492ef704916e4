"""Asking for an export: once a week, and while one is standing the answer is that one."""

import asyncio

from tests.integration.exports.counter import Counter

WEEK_MS = 604_800_000


async def test_one_is_asked_for_once(counter: Counter) -> None:
    who = counter.desk.someone()
    first = await who.done("POST", "/v1/me/exports")
    assert (first["state"], first["progress"], first["url"]) == ("queued", 0, None)
    assert await who.done("POST", "/v1/me/exports") == first
    asked = await asyncio.gather(*(who.done("POST", "/v1/me/exports") for _ in range(5)))
    assert {one["id"] for one in asked} == {first["id"]}
    assert await counter.desk.pool.fetchval("select count(*) from exports where person_id = $1", who.id) == 1
    rows = await counter.desk.pool.fetch("select action from audit_entries where subject_id = $1", who.id)
    assert [row["action"] for row in rows] == ["export_requested"]


async def test_before_the_first_word_two_requests_make_one(counter: Counter) -> None:
    who = counter.desk.someone()
    await who.get("/v1/me")
    asked = await asyncio.gather(*(who.done("POST", "/v1/me/exports") for _ in range(8)))
    assert len({one["id"] for one in asked}) == 1


async def test_the_standing_one_answers_until_it_was_had_and_then_a_week_passes(counter: Counter) -> None:
    who = counter.desk.someone()
    made = await counter.ready(who)
    assert (await who.done("POST", "/v1/me/exports"))["id"] == made["id"]
    await counter.part(who, made, None)
    status, answer = await who.ask("POST", "/v1/me/exports")
    assert (status, answer["error"]["code"]) == (429, "rate_limited")
    assert answer["error"]["retry_after_ms"] == WEEK_MS
    counter.desk.now_ms += WEEK_MS
    assert (await who.done("POST", "/v1/me/exports"))["id"] != made["id"]


async def test_one_that_failed_does_not_count(counter: Counter) -> None:
    who = counter.desk.someone()
    first = await who.done("POST", "/v1/me/exports")
    await counter.desk.pool.execute("update exports set state = 'failed' where id = $1", first["id"])
    assert (await who.get(f"/v1/me/exports/{first['id']}"))["state"] == "failed"
    assert (await who.done("POST", "/v1/me/exports"))["id"] != first["id"]
