"""One's own profile, corrected: every field, everything that may be wrong with it, and who may do it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from store.postgres import profiles
from tests.integration.postgres.people_desk import Desk, open_desk


@pytest.fixture
async def desk(pool: asyncpg.Pool, valkey: str) -> AsyncIterator[Desk]:
    async with open_desk(pool, valkey) as opened:
        yield opened


async def test_a_profile_is_corrected_field_by_field(desk: Desk) -> None:
    who = desk.someone()
    before = await who.get("/v1/me")
    assert (before["version"], before["name"], before["adult"]) == (1, "New", False)
    wanted = {
        "name": "Zoe\u0308 Martin", "country": "FR", "phone": "+33 6 12 34 56 78", "language": "fr",
        "born_on": "1990-02-28",
    }  # fmt: skip
    after = await who.done("PATCH", "/v1/me", {"version": 1, **wanted})
    assert after == {
        **before, "name": "Zoë Martin", "country": "FR", "phone": "+33612345678", "language": "fr",
        "born_on": "1990-02-28", "adult": True, "version": 2,
    }  # fmt: skip
    assert await who.get("/v1/me") == after
    cleared = await who.done(
        "PATCH", "/v1/me", {"version": 2, "country": None, "phone": None, "language": None}
    )
    assert (cleared["country"], cleared["phone"], cleared["language"], cleared["name"]) == (
        None, None, None, "Zoë Martin",
    )  # fmt: skip


async def test_of_two_corrections_on_one_version_one_is_stale(desk: Desk) -> None:
    who = desk.someone()
    await who.get("/v1/me")
    answers = await asyncio.gather(
        *(who.ask("PATCH", "/v1/me", {"version": 1, "name": f"Name {n}"}) for n in range(5))
    )
    assert sorted(status for status, _ in answers) == [200, 409, 409, 409, 409]
    [kept] = [answer["name"] for status, answer in answers if status == 200]
    assert (await who.get("/v1/me"))["name"] == kept
    assert await who.refusal("PATCH", "/v1/me", {"version": 1, "name": kept}) == ("conflict", ["version"])
    assert await who.refusal("PATCH", "/v1/me", {"version": 3, "name": kept}) == ("conflict", ["version"])


async def test_who_read_an_old_version_writes_nothing(desk: Desk) -> None:
    who = desk.someone()
    await who.get("/v1/me")
    wanted: Any = {"country": None, "phone": None, "language": None, "born_on": None, "adult": False}
    assert await profiles.correct(desk.pool, who.id, seen=1, name="Ada", **wanted) == 2
    assert await profiles.correct(desk.pool, who.id, seen=1, name="Eve", **wanted) is None
    assert (await who.get("/v1/me"))["name"] == "Ada"


async def test_what_changes_nothing_makes_no_version(desk: Desk) -> None:
    who = desk.someone()
    await who.change(name="Ada")
    for _ in range(2):
        assert (await who.change(name=" Ada "))["version"] == 2
    rows = await desk.pool.fetch("select version from corrections where person_id = $1", who.id)
    assert len(rows) <= 1


BAD: dict[str, list[Any]] = {
    "name": [
        "", " ", "x" * 81, "x" * 500, None, 1, [], {}, True, "a\u202eb", "a\u200bb", "a\nb",
        "Z" + "\u0335" * 5, "\u3164", "...",
    ],
    "country": ["fr", "XX", "", "FRA", 1, True, ["FR"]],
    "phone": ["0612345678", "", "+1", "x", 33612345678, [], "+33" + "1" * 500],
    "language": ["de", "", "EN", 1, True],
    "born_on": [
        "1899-12-31", "2030-01-01", "1990-02-30", "1990-13-01", "28.02.1990", "1990-02-28T00:00:00Z", "", 0,
        None, 19900228, "90-02-28",
    ],
    "adult": [None, 1, "true", []],
    # What is not one's own to change.
    "role": ["admin"], "email": ["root@example.com"], "id": ["x"], "avatar_url": ["https://example.com/x"],
    "policy_accepted_ms": [1], "verified": [True],
}  # fmt: skip
WRONG = [({field: value}, field) for field, values in BAD.items() for value in values]


@pytest.mark.parametrize(("fields", "named"), WRONG)
async def test_each_field_says_what_is_wrong_with_it(desk: Desk, fields: dict[str, Any], named: str) -> None:
    who = desk.someone()
    before = await who.get("/v1/me")
    code, names = await who.refusal("PATCH", "/v1/me", {"version": 1, "name": "Ada", **fields})
    assert code == "bad_request"
    assert names == [named]
    assert await who.get("/v1/me") == before


@pytest.mark.parametrize("version", [0, -1, "1", 1.5, True, None, 2**31, 2**64])
async def test_a_version_is_a_number(desk: Desk, version: object) -> None:
    assert (await desk.someone().refusal("PATCH", "/v1/me", {"version": version}))[0] == "bad_request"


@pytest.mark.parametrize("body", [[], "x", 1, None, {}, {"name": "Ada"}])
async def test_a_body_is_an_object_with_a_version(desk: Desk, body: object) -> None:
    who = desk.someone()
    status, answer = await who.ask("PATCH", "/v1/me", data=b"" if body is None else None, body=body)
    assert (status, answer["error"]["code"]) == (400, "bad_request")


async def test_a_key_given_twice_is_refused(desk: Desk) -> None:
    who = desk.someone()
    raw = b'{"version":1,"name":"Ada","name":"Eve"}'
    assert (await who.refusal("PATCH", "/v1/me", data=raw))[0] == "bad_request"


async def test_a_date_of_birth_is_given_once_and_corrected_by_an_admin_alone(desk: Desk) -> None:
    who, admin = desk.someone(), desk.someone("admin")
    await who.change(born_on="1990-02-28")
    assert (await who.change(born_on="1990-02-28"))["born_on"] == "1990-02-28"
    version = (await who.get("/v1/me"))["version"]
    refused = await who.refusal("PATCH", "/v1/me", {"version": version, "born_on": "1990-03-01"})
    assert refused == ("forbidden", ["born_on"])
    path = f"/v1/admin/people/{who.id}/birth"
    for other in (who, desk.someone("practitioner"), desk.someone("moderator")):
        assert (await other.refusal("POST", path, {"born_on": None, "reason": "x"}))[0] == "forbidden"
    own = f"/v1/admin/people/{admin.id}/birth"
    assert (await admin.refusal("POST", own, {"born_on": None, "reason": "x"}))[0] == "forbidden"
    for wrong in ({"reason": "x"}, {"born_on": "1990-03-01"}, {"born_on": "x", "reason": "x"},
                  {"born_on": "1890-01-01", "reason": "x"}, {"born_on": None, "reason": ""}):  # fmt: skip
        assert (await admin.refusal("POST", path, wrong))[0] == "bad_request"
    nobody = "/v1/admin/people/00000000-0000-7000-8000-000000000000/birth"
    assert (await admin.refusal("POST", nobody, {"born_on": None, "reason": "x"}))[0] == "not_found"
    assert (await admin.refusal("POST", "/v1/admin/people/x/birth", {"born_on": None, "reason": "x"}))[0] == (
        "not_found"
    )
    corrected = await admin.done("POST", path, {"born_on": "2010-03-01", "reason": "The passport says so."})
    assert (corrected["born_on"], corrected["adult"]) == ("2010-03-01", False)
    assert not (await who.get("/v1/me"))["adult"]
    noted = await desk.pool.fetchrow("select * from admin_actions where subject = $1", who.id)
    assert noted is not None
    assert (noted["action"], noted["admin_id"]) == ("birth_corrected", admin.id)
    assert "2010" not in str(noted["detail"])
    # Taken out, nothing is left of the word that was given before either.
    assert not (await admin.done("POST", path, {"born_on": None, "reason": "A mix-up."}))["adult"]
    assert (await who.change(born_on="1990-03-01"))["adult"]


async def test_a_minor_cannot_say_otherwise_and_grows_up_by_themselves(desk: Desk) -> None:
    today = datetime.fromtimestamp(desk.now_ms / 1000, UTC).date()
    minor = desk.someone()
    assert not (await minor.change(born_on=f"{today.year - 17}-01-15"))["adult"]
    version = (await minor.get("/v1/me"))["version"]
    refused = await minor.refusal("PATCH", "/v1/me", {"version": version, "adult": True})
    assert refused == ("bad_request", ["adult"])
    other = desk.someone()
    both = {"adult": True, "born_on": f"{today.year - 17}-01-15"}
    await other.get("/v1/me")
    assert await other.refusal("PATCH", "/v1/me", {"version": 1, **both}) == ("bad_request", ["adult"])
    assert (await other.change(adult=True))["adult"]
    assert not (await other.change(born_on=both["born_on"]))["adult"], "the date says otherwise by now"
    desk.now_ms += 366 * 86_400_000
    assert (await minor.get("/v1/me"))["adult"]


async def test_a_new_name_waits_to_be_told_until_it_is(desk: Desk) -> None:
    who = desk.someone()
    await who.change(country="FR")
    assert await desk.pool.fetch("select from corrections where person_id = $1", who.id) == []
    await who.change(name="Ada")
    async with asyncio.timeout(10):
        while True:
            row = await desk.pool.fetchrow(
                "select version, told from corrections where person_id = $1", who.id
            )
            assert row is not None
            if row["told"]:
                break
            await asyncio.sleep(0.02)
    assert row["version"] == 3
