"""A changed role reaches the identity provider, and ends every sign-in that still carries the old one."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import jwt
import pytest

from hub.edge.auth import Principal
from hub.errors import Code, Refused
from hub.hub import Hub
from hub.moderation.roles import change
from hub.vendors.asking import VendorUnavailable
from hub.workers.roles import LEASE_MS
from rooms.ids import Role, UserId
from store.postgres import roles
from store.postgres.roles import RoleChange
from store.redis.revocations import Revocations
from tests.integration.vendors.counter import Counter


async def ordered(counter: Counter, person: Any, role: Role, *, lease_ms: int = 0) -> RoleChange:
    wanted = RoleChange(str(uuid4()), UserId(person["id"]), role, attempts=1)
    made = await roles.order(
        counter.pool, wanted, previous="guest", ordered_by=UserId(str(uuid4())), now_ms=counter.now_ms(),
        lease_ms=lease_ms,
    )  # fmt: skip
    assert made
    return wanted


async def role_at_provider(counter: Counter, person: Any) -> str:
    """What a token that is made now carries."""
    grant = await counter.control("token", {"id": person["id"]})
    claims = jwt.decode(grant["access_token"], options={"verify_signature": False})
    return str(claims["app_metadata"]["role"])


async def taken(counter: Counter, token: str) -> bool:
    claims = jwt.decode(token, options={"verify_signature": False})
    return not await Revocations(counter.redis).is_revoked(
        UserId(claims["sub"]), claims["session_id"], issued_at_s=claims["iat"]
    )


async def test_a_role_is_told_and_old_tokens_are_taken_no_more(counter: Counter) -> None:
    person = await counter.person("moderator")
    wanted = await ordered(counter, person, "guest")
    assert await counter.roles().carry_out(wanted)
    assert await role_at_provider(counter, person) == "guest"
    assert not await taken(counter, person["access_token"])
    counter.wait(LEASE_MS)
    assert await counter.roles().run_once() == 0


async def test_a_token_refreshed_before_the_provider_knew_is_taken_no_more(counter: Counter) -> None:
    person = await counter.person("admin")
    wanted = await ordered(counter, person, "guest")
    counter.wait(-3_600_000)
    # By our clock, which is an hour behind, the token is from the future: the provider's own word counts.
    fresh = (await counter.control("token", {"id": person["id"]}))["access_token"]
    assert await counter.roles().carry_out(wanted)
    assert not await taken(counter, fresh)


@pytest.mark.parametrize("point", ["revoked", "told"])
async def test_whoever_dies_in_the_middle_leaves_it_to_the_next(counter: Counter, point: str) -> None:
    person = await counter.person("moderator")
    counter.wait(2_000)
    await ordered(counter, person, "guest")
    async with counter.killed("roles", point):
        assert not await taken(counter, person["access_token"])
        assert await counter.roles().run_once() == 0
    counter.wait(LEASE_MS + 1)
    assert await counter.roles().run_once() == 1
    assert await role_at_provider(counter, person) == "guest"


async def test_a_provider_in_trouble_is_asked_again(counter: Counter) -> None:
    person = await counter.person("guest")
    wanted = await ordered(counter, person, "moderator")
    await counter.control("faults", {"vendor": "auth", "action": "500", "times": 2})
    assert not await counter.roles().carry_out(wanted)
    for _ in range(4):
        counter.wait(60_000)
        await counter.roles().run_once()
    assert await role_at_provider(counter, person) == "moderator"


async def test_somebody_whom_the_provider_does_not_know_is_a_case(counter: Counter) -> None:
    wanted = await ordered(counter, {"id": str(uuid4())}, "moderator")
    assert not await counter.roles().carry_out(wanted)
    kinds = await counter.pool.fetch("select kind from cases where subject = $1", wanted.id)
    assert [row["kind"] for row in kinds] == ["role_refused"]


async def test_of_one_person_one_change_is_under_way(counter: Counter) -> None:
    person = await counter.person("guest")
    await ordered(counter, person, "moderator")
    with pytest.raises(AssertionError):
        await ordered(counter, person, "admin")


async def test_without_a_service_key_it_is_said_in_plain_words() -> None:
    hub = cast(Hub, SimpleNamespace(roles=None))
    with pytest.raises(Refused) as refused:
        await change(hub, cast(Principal, None), UserId(str(uuid4())), "guest", "why")
    assert refused.value.code is Code.UNAVAILABLE
    assert "SUPABASE_SERVICE_KEY" in refused.value.message


async def test_the_admin_api_reads_and_forgets(counter: Counter) -> None:
    person, supabase = await counter.person("guest"), counter.supabase()
    known = await supabase.person(UserId(person["id"]))
    assert known is not None
    assert (known.name, known.email) == (person["name"], person["email"])
    for _ in range(2):
        await supabase.delete(UserId(person["id"]))
        assert await supabase.person(UserId(person["id"])) is None
    with pytest.raises(VendorUnavailable):
        await counter.supabase("another key").person(UserId(person["id"]))
    with pytest.raises(ValueError, match="not an id"):
        await supabase.person(UserId("../settings"))
