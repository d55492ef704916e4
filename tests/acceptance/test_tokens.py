"""Tokens end while lines are open: people are warned, and may go on under a new one of their own."""

import time

import pytest

from sandbox.visitor import Json, Refused, Visitor
from tests.acceptance.scene import Scene


async def lasting(scene: Scene, person: Json | Visitor, ttl_s: int) -> str:
    ident = person.id if isinstance(person, Visitor) else person["id"]
    granted = await scene.control("token", id=ident, ttl_s=ttl_s)
    return str(granted["access_token"])


async def test_a_line_ends_with_its_token_and_says_so_first(scene: Scene) -> None:
    person = await scene.person("guest")
    guest = await scene.enter({**person, "access_token": await lasting(scene, person, 3)})
    warned = await guest.hear("auth:expiring")
    await guest.ended.wait()
    assert warned["expires_at_ms"] <= time.time() * 1000


async def test_a_new_token_keeps_the_line_and_the_session(scene: Scene) -> None:
    person, host = await scene.person("guest"), await scene.host()
    guest = await scene.enter({**person, "access_token": await lasting(scene, person, 6)})
    session_id = await scene.live(guest, host)
    warned = await guest.hear("auth:expiring")
    refreshed = await guest.ask("auth:refresh", token=await lasting(scene, person, 3_600))
    assert refreshed["expires_at_ms"] > warned["expires_at_ms"]
    short = await scene.enter({**person, "access_token": await lasting(scene, person, 2)})
    await short.ended.wait()
    assert not guest.ended.is_set()
    assert (await guest.ask("chat:send", session_id=session_id, client_id="1", text="on we go"))["seq"] == 1
    assert host.count("room:presence") == guest.count("room:presence") - 1 == 0


async def test_nobody_becomes_somebody_else(scene: Scene) -> None:
    guest, other = await scene.guest(), await scene.guest()
    assert await guest.refusal("auth:refresh", token=other.token) == "forbidden"
    me = await guest.ask("auth:refresh", token=guest.token)
    assert me["expires_at_ms"] > time.time() * 1000


async def test_a_role_never_widens_on_an_open_line(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    key = scene.stack.env["SUPABASE_SERVICE_KEY"]
    url = f"{scene.stack.sandbox_url}/auth/v1/admin/users/{guest.id}"
    raised = {"app_metadata": {"role": "practitioner"}}
    async with scene.http.put(url, json=raised, headers={"Authorization": f"Bearer {key}"}) as response:
        assert response.status == 200
    promoted = await lasting(scene, guest, 3_600)
    assert await guest.refusal("auth:refresh", token=promoted) == "forbidden"
    assert await guest.refusal("practitioner:online") == "forbidden"
    await scene.ringing(guest, host)


async def test_what_is_no_token_opens_nothing_and_ends_nothing(scene: Scene) -> None:
    guest = await scene.guest()
    body, _, _signature = guest.token.rpartition(".")
    for token in ("", "x", "a.b.c", body + ".", guest.token + "x", "x" * 9_000):
        code = await guest.refusal("auth:refresh", token=token)
        assert code == "unauthenticated", token[:20]
        with pytest.raises(Refused) as refused:
            await scene.enter({"id": guest.id, "access_token": token})
        assert refused.value.code == "unauthenticated"
    assert (await guest.ask("directory:watch"))["ok"]
