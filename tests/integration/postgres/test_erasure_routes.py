"""Asking to be erased, taking it back, and what an admin records: over HTTP, with a clock that is moved."""

from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import uuid4

import asyncpg
import jwt
import pytest

from hub.errors import Code, Refused
from hub.leaving import FRESH_S, require_staying
from hub.moderation import minors
from store.postgres import audit, erasures, keys
from tests.integration.postgres.people_desk import SECRET, T0, Desk, Someone, open_desk

DAY_MS = 86_400_000
GRACE_MS = 7 * DAY_MS
ASK = ("DELETE", "/v1/me")
CANCEL = ("POST", "/v1/me/erasure/cancel")
REQUESTS = "/v1/admin/data-requests"


@pytest.fixture
async def desk(pool: asyncpg.Pool, valkey: str) -> AsyncIterator[Desk]:
    async with open_desk(pool, valkey) as opened:
        yield opened


async def here(desk: Desk) -> Someone:
    who = desk.someone()
    await who.get("/v1/me")
    return who


async def test_it_is_noted_at_once_and_the_second_time_is_the_same(desk: Desk) -> None:
    who = await here(desk)
    assert (await who.refusal("GET", "/v1/me/erasure"))[0] == "not_found"
    told = await who.done(*ASK)
    assert {key: told[key] for key in told if key != "receipt"} == {
        "state": "requested", "requested_at_ms": T0, "cancellable_until_ms": T0 + GRACE_MS,
        "due_by_ms": T0 + 30 * DAY_MS, "waits_for": None,
    }  # fmt: skip
    desk.now_ms += 1_000
    assert await who.done(*ASK) == told
    assert await who.get("/v1/me/erasure") == told
    # Nothing of them is gone, and nothing begins.
    assert (await who.get("/v1/me"))["id"] == who.id
    with pytest.raises(Refused) as refused:
        await require_staying(desk.pool, who.id)
    assert (refused.value.code, sorted(refused.value.fields or {})) == (Code.FORBIDDEN, ["en", "fr"])
    # The audit has the number, and not who it was.
    assert await audit_of(desk, who.id) == []
    assert await audit_of(desk, told["receipt"]) == ["erasure_ordered"]


async def test_it_can_be_taken_back_within_the_grace(desk: Desk) -> None:
    who = await here(desk)
    assert (await who.refusal(*CANCEL))[0] == "not_found"
    first = await who.done(*ASK)
    desk.now_ms += GRACE_MS - 1
    told = await who.done(*CANCEL)
    assert (told["receipt"], told["state"]) == (first["receipt"], "cancelled")
    assert await who.done(*CANCEL) == told
    await require_staying(desk.pool, who.id)
    desk.now_ms += 2
    assert await due(desk, who) == []
    # And asked for again, with another number.
    desk.now_ms = T0
    assert (await who.done(*ASK))["receipt"] != first["receipt"]


async def test_after_the_grace_it_is_due_and_too_late(desk: Desk) -> None:
    who = await here(desk)
    await who.done(*ASK)
    desk.now_ms += GRACE_MS - 1
    assert await due(desk, who) == []
    desk.now_ms += 1
    assert (await who.refusal(*CANCEL))[0] == "conflict"
    assert await due(desk, who) == [who.id]


async def test_whoever_signed_in_long_ago_signs_in_again(desk: Desk) -> None:
    who = await here(desk)
    desk.now_ms += (FRESH_S + 1) * 1_000
    assert await who.refusal(*ASK) == ("forbidden", ["en", "fr"])
    assert not await erasures.pending(desk.pool, who.id)


async def test_a_token_that_was_only_renewed_is_no_sign_in(desk: Desk) -> None:
    who = await here(desk)
    claims = jwt.decode(who.headers["Authorization"][7:], SECRET, ["HS256"], audience="authenticated",
                        options={"verify_exp": False, "verify_iat": False})  # fmt: skip
    for ago_s, status in ((FRESH_S + 60, 403), (FRESH_S - 60, 200)):
        claims["amr"] = [{"method": "password", "timestamp": T0 // 1000 - ago_s}]
        headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET, algorithm='HS256')}"}
        async with desk.client.request(*ASK, headers=headers) as response:
            assert response.status == status


async def test_the_receipt_says_what_came_of_it_and_nothing_of_whom(desk: Desk) -> None:
    who = await here(desk)
    told = await who.done(*ASK)
    async with desk.client.get(f"/v1/erasures/{told['receipt']}") as response:
        assert response.status == 200
        receipt = await response.json()
    assert receipt == {
        "receipt": told["receipt"], "state": "requested", "requested_at_ms": T0,
        "due_by_ms": T0 + 30 * DAY_MS, "done_at_ms": None,
    }  # fmt: skip
    for unknown in (uuid4(), "x"):
        async with desk.client.get(f"/v1/erasures/{unknown}") as response:
            assert response.status == 404


async def test_a_request_by_mail_counts_from_when_it_came(desk: Desk) -> None:
    who, admin = await here(desk), desk.someone("admin")
    came = T0 - 4 * DAY_MS
    asked = {
        "kind": "erasure",
        "user_id": who.id,
        "received_at_ms": came,
        "reason": "By e-mail; called back.",
    }
    told = await admin.done("POST", REQUESTS, asked)
    assert (told["source"], told["state"], told["day"]) == ("email", "requested", 5)
    assert told["due_by_ms"] == came + 30 * DAY_MS
    standing = await erasures.latest(desk.pool, who.id)
    assert standing is not None
    # Vendors are told by the tenth day after it came, so the grace is shorter.
    assert standing.cancellable_until_ms == came + 10 * DAY_MS
    assert (await admin.done("POST", REQUESTS, asked))["id"] == told["id"]
    listed = await admin.get(f"{REQUESTS}?open=true")
    assert told["id"] in [one["id"] for one in listed["items"]]
    await who.done(*CANCEL)
    listed = await admin.get(f"{REQUESTS}?open=true")
    assert told["id"] not in [one["id"] for one in listed["items"]]


async def test_by_an_address_and_only_somebody_elses(desk: Desk) -> None:
    who, admin = await here(desk), desk.someone("admin")
    address = f"{uuid4().hex}@example.com"
    await desk.pool.execute("update people set email = $2 where id = $1", who.id, address)
    asked = {"kind": "erasure", "received_at_ms": T0, "reason": "Because"}
    told = await admin.done("POST", REQUESTS, {**asked, "email": address.upper()})
    assert told["user_id"] == who.id
    nobody = {**asked, "email": f"{uuid4().hex}@example.com"}
    assert (await admin.refusal("POST", REQUESTS, nobody))[0] == "not_found"
    assert (await admin.refusal("POST", REQUESTS, {**asked, "user_id": str(uuid4())}))[0] == "not_found"
    assert (await admin.refusal("POST", REQUESTS, {**asked, "user_id": admin.id}))[0] in (
        "forbidden",
        "not_found",
    )
    for wrong in (
        {},
        {"user_id": who.id, "email": address},
        {"user_id": who.id, "received_at_ms": T0 + DAY_MS},
    ):
        assert (await admin.refusal("POST", REQUESTS, {**asked, **cast(dict[str, Any], wrong)}))[
            0
        ] == "bad_request"
    assert (await who.refusal("POST", REQUESTS, {**asked, "user_id": who.id}))[0] == "forbidden"


async def test_a_wish_to_see_is_recorded_and_answered(desk: Desk) -> None:
    who, admin = await here(desk), desk.someone("admin")
    asked = {"kind": "access", "user_id": who.id, "received_at_ms": T0 - DAY_MS, "reason": "By e-mail"}
    told = await admin.done("POST", REQUESTS, asked)
    assert (told["state"], told["day"], told["due_by_ms"]) == ("requested", 2, T0 + 29 * DAY_MS)
    path = f"{REQUESTS}/{told['id']}/answer"
    done = await admin.done("POST", path, {"reason": "Sent by post"})
    assert (done["state"], done["done_at_ms"]) == ("done", T0)
    assert await admin.done("POST", path, {"reason": "Again"}) == done
    assert await audit_of(desk, who.id) == ["access_requested", "access_answered"]
    assert (await admin.get(f"{REQUESTS}?kind=access&open=true"))["items"] == []
    assert (await admin.refusal("POST", f"{REQUESTS}/{uuid4()}/answer", {"reason": "x"}))[0] == "not_found"


async def test_what_others_want_too_is_not_theirs_to_take_back(desk: Desk) -> None:
    who = await here(desk)
    first = await who.done(*ASK)
    for _again in range(2):
        async with desk.pool.acquire() as connection, connection.transaction():
            await minors.confirm(
                connection, user_id=who.id, ordered_by=str(uuid4()), session_id=str(uuid4()),
                appeal_ms=30 * DAY_MS, now_ms=desk.now_ms,
            )  # fmt: skip
    assert (await who.refusal(*CANCEL))[0] == "conflict"
    standing = await erasures.latest(desk.pool, who.id)
    assert standing is not None
    # They asked first, and when it is due stays as it was.
    assert (standing.receipt, standing.source, standing.due_by_ms) == (
        first["receipt"], "minor", first["due_by_ms"]
    )  # fmt: skip


async def due(desk: Desk, who: Someone) -> list[str]:
    found = await erasures.due(desk.pool, now_ms=desk.now_ms, limit=100, lease_ms=1)
    return [one.user_id for one in found if one.user_id == who.id]


async def audit_of(desk: Desk, subject_id: str) -> list[str]:
    return [
        one.action
        for one in await audit.page(desk.pool, after=0, limit=1_000)
        if one.subject_id == subject_id
    ]


async def test_a_mail_from_before_they_asked_themselves_moves_the_end(desk: Desk) -> None:
    who, admin = await here(desk), desk.someone("admin")
    first = await who.done(*ASK)
    came = T0 - 5 * DAY_MS
    asked = {"kind": "erasure", "user_id": who.id, "received_at_ms": came, "reason": "By e-mail"}
    told = await admin.done("POST", REQUESTS, asked)
    assert (told["id"], told["source"], told["day"]) == (first["receipt"], "self", 6)
    assert told["due_by_ms"] == came + 30 * DAY_MS
    assert await audit_of(desk, who.id) == ["erasure_ordered"]
    # A later one changes nothing.
    later = await admin.done("POST", REQUESTS, {**asked, "received_at_ms": T0})
    assert later == told
    assert await audit_of(desk, who.id) == ["erasure_ordered"]


async def test_who_was_taken_for_somebody_else_has_a_day_to_say_so(desk: Desk) -> None:
    who, admin = await here(desk), desk.someone("admin")
    asked = {"kind": "erasure", "user_id": who.id, "received_at_ms": T0 - 11 * DAY_MS, "reason": "By e-mail"}
    await admin.done("POST", REQUESTS, asked)
    assert await due(desk, who) == []
    desk.now_ms += DAY_MS - 1
    assert (await who.done(*CANCEL))["state"] == "cancelled"


async def test_who_is_nobody_already_is_not_found(desk: Desk) -> None:
    who, admin = await here(desk), desk.someone("admin")
    instead = str(uuid4())
    await erasures.shell(desk.pool, instead, who.id, name="Removed person")
    await keys.shred(desk.pool, instead, now_ms=T0)
    for kind in ("erasure", "access"):
        asked = {"kind": kind, "user_id": instead, "received_at_ms": T0, "reason": "By e-mail"}
        assert (await admin.refusal("POST", REQUESTS, asked))[0] == "not_found"
