"""How a guest becomes a practitioner, and how a practitioner changes what they offer."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from hub.correcting import Peers
from hub.workers.applications import Applications
from rooms.ids import Role, UserId
from store.postgres import admin as records
from tests.integration.postgres.people_desk import Desk, Someone, open_desk

WANTED = {
    "headline": "Breath work", "about": "Twenty years of it.", "topics": ["breath", "sleep"],
    "rate_minor_per_minute": 250, "currency": "eur",
}  # fmt: skip


class Provider:
    """An identity provider that can be away."""

    def __init__(self) -> None:
        self.roles: dict[str, Role] = {}
        self.away_for: set[str] = set()

    async def set_role(self, user_id: UserId, role: Role) -> None:
        if user_id in self.away_for:
            raise ConnectionError
        self.roles[user_id] = role


@pytest.fixture
async def desk(pool: asyncpg.Pool, valkey: str) -> AsyncIterator[Desk]:
    async with open_desk(pool, valkey) as opened:
        yield opened


def promotions(desk: Desk, provider: Provider) -> Applications:
    hub = desk.hub
    peers = Peers(hub.pool, hub.live, hub.people, hub.directory)
    return Applications(desk.pool, provider, peers, now_ms=lambda: desk.now_ms)


async def applied(desk: Desk) -> tuple[Someone, str]:
    who = await desk.adult()
    return who, (await who.done("POST", "/v1/me/practitioner", WANTED))["id"]


async def decided(desk: Desk, application_id: str, decision: str) -> Any:
    path = f"/v1/admin/applications/{application_id}/decide"
    return await desk.someone("admin").done("POST", path, {"decision": decision, "reason": "Papers seen."})


async def test_an_application_is_seen_decided_and_carried_out(desk: Desk) -> None:
    who, application_id = await applied(desk)
    admin, provider = desk.someone("admin"), Provider()
    assert (await who.refusal("POST", "/v1/me/practitioner", WANTED))[0] == "conflict"
    listed = await admin.get("/v1/admin/applications?state=pending&limit=1")
    [seen] = listed["items"]
    assert (seen["id"], seen["about"], seen["person"]["id"]) == (application_id, WANTED["about"], who.id)
    stored = await desk.pool.fetchval("select about from applications where id = $1", application_id)
    assert b"Twenty" not in stored
    assert (await decided(desk, application_id, "approve"))["state"] == "approved"
    assert (await decided(desk, application_id, "approve"))["state"] == "approved"
    path = f"/v1/admin/applications/{application_id}/decide"
    refused = await admin.refusal("POST", path, {"decision": "reject", "reason": "Late."})
    assert refused[0] == "conflict"
    assert (await who.refusal("GET", f"/v1/practitioners/{who.id}"))[0] == "not_found"
    provider.away_for = {who.id}
    assert await promotions(desk, provider).run_once() == 0
    assert (await who.get("/v1/me/practitioner"))["state"] == "approved"
    provider.away_for = set()
    assert await promotions(desk, provider).run_once() == 1
    assert await promotions(desk, provider).run_once() == 0
    assert provider.roles == {who.id: "practitioner"}
    who.role = "practitioner"
    assert (await who.get("/v1/me"))["role"] == "practitioner"
    shown = await who.get(f"/v1/practitioners/{who.id}")
    assert (shown["headline"], shown["rate_minor_per_minute"], shown["currency"], shown["status"]) == (
        "Breath work", 250, "eur", "offline",
    )  # fmt: skip
    actions = await records.actions(desk.pool, before=None, limit=20)
    noted = [one for one in actions if one.subject == application_id]
    keyring = desk.hub.keyring
    told = [(one.action, await records.reason_of(keyring, one)) for one in noted]
    assert told == [("application_approved", "Papers seen.")]
    # Whom it is about, the application tells: this record outlives both, and no removal changes its details.
    details = [one.detail for one in noted if one.subject == application_id]
    assert details == [{}]


async def test_one_that_fails_keeps_nobody_else_waiting(desk: Desk) -> None:
    (first, first_id), (second, second_id) = await applied(desk), await applied(desk)
    for application_id in (first_id, second_id):
        await decided(desk, application_id, "approve")
    provider = Provider()
    provider.away_for = {first.id}
    assert await promotions(desk, provider).run_once() == 1
    assert provider.roles.keys() == {second.id}
    provider.away_for = set()
    assert await promotions(desk, provider).run_once() == 1


async def test_who_is_rejected_is_told_why_and_may_apply_again(desk: Desk) -> None:
    who, application_id = await applied(desk)
    await decided(desk, application_id, "reject")
    told = await who.get("/v1/me/practitioner")
    assert (told["state"], told["reason"]) == ("rejected", "Papers seen.")
    assert await desk.pool.fetchval("select count(*) from practices where practitioner_id = $1", who.id) == 0
    assert (await who.done("POST", "/v1/me/practitioner", WANTED))["state"] == "pending"


async def test_only_adult_guests_apply_and_only_admins_decide(desk: Desk) -> None:
    young = desk.someone()
    assert (await young.refusal("POST", "/v1/me/practitioner", WANTED))[0] == "underage"
    _, application_id = await applied(desk)
    path = f"/v1/admin/applications/{application_id}/decide"
    body = {"decision": "approve", "reason": "x"}
    for role in ("guest", "practitioner", "moderator"):
        who = desk.someone(role)
        assert (await who.refusal("GET", "/v1/admin/applications"))[0] == "forbidden"
        assert (await who.refusal("POST", path, body))[0] == "forbidden"
        if role != "guest":
            assert (await who.refusal("POST", "/v1/me/practitioner", WANTED))[0] == "forbidden"
    admin = desk.someone("admin")
    assert (await admin.refusal("POST", "/v1/admin/applications/x/decide", body))[0] == "not_found"
    for wrong in ({}, {"decision": "approve"}, {**body, "decision": "maybe"}, {**body, "reason": ""},
                  {**body, "reason": "x" * 501}, {**body, "role": "admin"}):  # fmt: skip
        assert (await admin.refusal("POST", path, wrong))[0] == "bad_request"
    for query in ("state=open", "limit=0", "limit=101", "cursor=x", "x=1", "state=pending&state=done"):
        assert (await admin.refusal("GET", f"/v1/admin/applications?{query}"))[0] == "bad_request"


BAD: dict[str, list[Any]] = {
    "headline": ["", " ", "x" * 121, "a\u202eb", None, 1, "a\nb"],
    "topics": [[""], ["x" * 41], ["a\u200bb"], "breath", [1], ["x"] * 21, None, {}],
    "rate_minor_per_minute": [-1, 1.5, "250", True, 10_000_001, None],
    "currency": ["EUR", "xxx", "", "eu", 1, None, "euro"],
}
WRONG = [(field, value) for field, values in BAD.items() for value in values]


@pytest.mark.parametrize(("field", "value"), [*WRONG, ("about", ""), ("about", "x" * 2_001), ("about", 1)])
async def test_each_field_of_an_application_says_what_is_wrong(desk: Desk, field: str, value: object) -> None:
    who = await desk.adult()
    code, names = await who.refusal("POST", "/v1/me/practitioner", {**WANTED, field: value})
    assert code == "bad_request"
    assert names[0].startswith(field)
    assert (await who.refusal("GET", "/v1/me/practitioner"))[0] == "not_found"


@pytest.fixture
async def host(desk: Desk) -> Someone:
    who, application_id = await applied(desk)
    await decided(desk, application_id, "approve")
    await promotions(desk, Provider()).run_once()
    who.role = "practitioner"
    return who


async def test_what_is_offered_is_changed_and_listed(desk: Desk, host: Someone) -> None:
    own = await host.get("/v1/me/practice")
    wanted = {
        "headline": "Sleep", "topics": ["sleep", "sleep", " rest "], "rate_minor_per_minute": 0,
        "currency": "usd", "free_s": 900, "accepts_instant": False,
    }  # fmt: skip
    after = await host.done("PATCH", "/v1/me/practice", {"version": own["version"], **wanted})
    assert after == {**own, **wanted, "topics": ["sleep", "rest"], "version": own["version"] + 1}
    assert await host.get("/v1/me/practice") == after
    shown = await desk.someone().get(f"/v1/practitioners/{host.id}")
    assert (shown["headline"], shown["free_s"], shown["topics"]) == ("Sleep", 900, ["sleep", "rest"])
    stale = {"version": own["version"], "headline": "Old"}
    assert await host.refusal("PATCH", "/v1/me/practice", stale) == ("conflict", ["version"])
    same = await host.done("PATCH", "/v1/me/practice", {"version": after["version"], "headline": "Sleep"})
    assert same == after


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *WRONG,
        *[("free_s", value) for value in (-1, 901, 1.5, True, "60", None)],
        *[("accepts_instant", value) for value in (None, 1, "true")],
        *[
            (field, 1)
            for field in ("verified_at_ms", "stripe_account", "rating", "transfers_active", "about")
        ],
    ],
)
async def test_each_field_of_a_practice_says_what_is_wrong(
    desk: Desk, host: Someone, field: str, value: object
) -> None:
    own = await host.get("/v1/me/practice")
    body = {"version": own["version"], "headline": "New", field: value}
    code, names = await host.refusal("PATCH", "/v1/me/practice", body)
    assert code == "bad_request"
    assert names[0].startswith(field)
    assert await host.get("/v1/me/practice") == own


async def test_a_practice_is_its_practitioners_alone(desk: Desk) -> None:
    for role in ("guest", "moderator", "admin"):
        who = desk.someone(role)
        assert (await who.refusal("PATCH", "/v1/me/practice", {"version": 1}))[0] == "forbidden"
        assert (await who.refusal("GET", "/v1/me/practice"))[0] == "forbidden"
    new = desk.someone("practitioner")
    assert (await new.refusal("PATCH", "/v1/me/practice", {"version": 1}))[0] == "not_found"


async def test_a_minute_costs_twenty_dollars_worth_at_most(
    desk: Desk, host: Someone, owner: asyncpg.Pool
) -> None:
    own = await host.get("/v1/me/practice")
    for currency, most_minor in (("eur", 2_000), ("jpy", 3_000)):
        wanted = {"version": own["version"], "currency": currency, "rate_minor_per_minute": most_minor + 1}
        code, names = await host.refusal("PATCH", "/v1/me/practice", wanted)
        assert (code, names) == ("bad_request", ["rate_minor_per_minute"])
    own = await host.done(
        "PATCH",
        "/v1/me/practice",
        {"version": own["version"], "currency": "jpy", "rate_minor_per_minute": 3_000},
    )
    # The same number is too much in another currency.
    wanted = {"version": own["version"], "currency": "usd"}
    assert (await host.refusal("PATCH", "/v1/me/practice", wanted))[0] == "bad_request"
    who = await desk.adult()
    dear = {**WANTED, "rate_minor_per_minute": 2_001}
    assert await who.refusal("POST", "/v1/me/practitioner", dear) == (
        "bad_request",
        ["rate_minor_per_minute"],
    )
