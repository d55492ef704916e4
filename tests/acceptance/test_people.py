"""What people do with their own profile, against real hubs: seen by others as it happens."""

import io
from typing import Any

import aiohttp
import pytest
from PIL import Image

from sandbox.visitor import Json, Visitor
from tests.acceptance.scene import Scene, until


async def send(who: Visitor, method: str, path: str, body: object = None, **more: Any) -> tuple[int, Json]:
    """Any HTTP request of a person; over a line of its own."""
    headers = {"Authorization": f"Bearer {who.token}", **more.pop("headers", {})}
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"{who.hub}{path}", headers=headers, json=body, **more) as response,
    ):
        return response.status, await response.json()


async def change(who: Visitor, path: str = "/v1/me", **fields: object) -> Json:
    now = await who.get(path)
    status, answer = await send(who, "PATCH", path, {"version": now["version"], **fields})
    assert status == 200, answer
    return answer


async def test_a_new_name_is_seen_in_the_session_at_once_and_at_stripe(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    marks = guest.mark, host.mark
    await change(guest, name="Ada Lovelace")
    for line, since in ((guest, marks[0]), (host, marks[1])):
        told = await line.hear(
            "session:state", lambda body: body["session"]["guest"]["name"] == "Ada Lovelace", since=since
        )
        assert (told["session"]["id"], told["session"]["state"]) == (session_id, "live")
    await guest.ask("chat:send", session_id=session_id, client_id="1", text="It is me")
    said = await host.hear("chat:message")
    assert said["from"]["name"] == "Ada Lovelace"
    joined = await host.ask("room:join", session_id=session_id)
    assert {one["name"] for one in joined["participants"]} == {"Ada Lovelace", host.name}
    [card] = await scene.sql("select stripe_customer from cards where person_id = $1", guest.id)

    async def at_stripe() -> bool:
        url = f"{scene.stack.sandbox_url}/stripe/v1/customers/{card['stripe_customer']}"
        key = scene.stack.env["STRIPE_SECRET_KEY"]
        async with scene.http.get(url, headers={"Authorization": f"Bearer {key}"}) as response:
            return bool((await response.json())["name"] == "Ada Lovelace")

    await until(at_stripe, "Stripe never heard the new name")
    ended = await guest.ask("session:end", session_id=session_id)
    assert ended["session"]["guest"]["name"] == "Ada Lovelace"
    await guest.state(session_id, "settled")


async def test_what_a_practitioner_changes_is_seen_in_the_directory_on_every_hub(scene: Scene) -> None:
    host = await scene.host(1)
    watchers = [await scene.guest(0), await scene.guest(1)]
    for watcher in watchers:
        await watcher.ask("directory:watch")
    await change(host, name="Dr. Zoë")
    for watcher in watchers:
        told = await watcher.hear("directory:changed", lambda body: body.get("name") == "Dr. Zoë")
        assert (told["id"], told["status"]) == (host.id, "online")
    await change(host, "/v1/me/practice", headline="Sleep at last", rate_minor_per_minute=450, free_s=60)
    for watcher in watchers:
        told = await watcher.hear("directory:changed", lambda body: body.get("headline") == "Sleep at last")
        assert (told["rate_minor_per_minute"], told["free_s"], told["status"]) == (450, 60, "online")
    shown = await watchers[0].get(f"/v1/practitioners/{host.id}")
    assert (shown["name"], shown["headline"], shown["rate_minor_per_minute"]) == (
        "Dr. Zoë", "Sleep at last", 450,
    )  # fmt: skip


async def test_who_takes_no_instant_sessions_is_not_asked(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    await change(host, "/v1/me/practice", accepts_instant=False)
    body = {"practitioner_id": host.id, "request_id": "now"}
    assert await guest.refusal("session:request", **body) == "offline"


async def test_a_picture_goes_up_to_one_hub_and_is_seen_on_the_other(scene: Scene) -> None:
    guest, host = await scene.guest(0), await scene.host(1)
    out, tags = io.BytesIO(), Image.Exif()
    tags[0x010E] = "taken in Paris"
    Image.new("RGB", (2_400, 1_600), "navy").save(out, "JPEG", exif=tags, quality=95)
    content = out.getvalue()
    headers = {"Content-Type": "image/jpeg"}
    status, me = await send(guest, "PUT", "/v1/me/avatar", data=content, headers=headers)
    assert (status, me["avatar_url"]) == (200, f"/v1/people/{guest.id}/avatar")
    url = f"{host.hub}{me['avatar_url']}?size=128"
    async with scene.http.get(url, headers={"Authorization": f"Bearer {host.token}"}) as response:
        shown = await response.read()
        assert (response.status, response.content_type) == (200, "image/webp")
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    with Image.open(io.BytesIO(shown)) as image:
        assert image.size == (128, 128)
    assert b"Paris" not in shown
    status, answer = await send(guest, "PUT", "/v1/me/avatar", data=b"\xff\xd8\xff" * 9, headers=headers)
    assert (status, answer["error"]["code"]) == (400, "bad_request")


async def test_consent_holds_from_the_next_event_of_an_open_connection_on(scene: Scene) -> None:
    person = await scene.person("guest")
    lines = [await scene.enter(person, 0), await scene.enter(person, 1)]
    event = {"name": "app_opened", "props": {"device": "phone", "os": "ios", "os_major": 18}}
    for line in lines:
        assert await line.refusal("analytics:event", **event) == "forbidden"

    async def counted() -> int:
        [row] = await scene.sql("select count(*) as n from analytics_events where props ->> 'os' = 'ios'")
        return int(row["n"])

    before = await counted()
    for granted, expected in ((True, 2), (False, 2), (True, 4)):
        status, _ = await send(lines[0], "PUT", "/v1/me/consents/analytics", {"granted": granted})
        assert status == 200
        for line in lines:
            if granted:
                assert await line.ask("analytics:event", **event) == {"ok": True}
            else:
                assert await line.refusal("analytics:event", **event) == "forbidden"
        assert await counted() - before == expected
    wrong = {**event, "props": {"device": "phone", "email": "ada@example.com"}}
    assert await lines[0].refusal("analytics:event", **wrong) == "bad_request"


async def test_a_minor_neither_joins_nor_pays(scene: Scene) -> None:
    guest, host = await scene.guest(), await scene.host()
    session_id = await scene.waiting(guest, host)
    await scene.sql("update people set born_on = current_date - 6000 where id = $1", guest.id)
    assert not (await guest.get("/v1/me"))["adult"]
    assert await guest.refusal("room:join", session_id=session_id) == "underage"
    status, answer = await send(guest, "POST", "/v1/me/card")
    assert (status, answer["error"]["code"]) == (403, "underage")
    await guest.ask("session:cancel", session_id=session_id)
    body = {"practitioner_id": host.id, "request_id": "young"}
    assert await guest.refusal("session:request", **body) == "underage"
    await scene.sql("update people set born_on = null, policy_accepted_ms = null where id = $1", guest.id)
    assert await guest.refusal("session:request", **body) == "policy_pending"
    current = (await guest.get("/v1/policy"))["current"]
    await guest.post("/v1/policy/acceptances", {"version": current})
    await scene.shown(guest, host.id, "online")
    assert (await guest.ask("session:request", **body))["ok"]


@pytest.mark.parametrize("gone", [False, True])
async def test_who_was_inside_comes_back_in(scene: Scene, gone: bool) -> None:
    guest, host, session_id = await scene.couple()
    await scene.sql("update people set adult = false where id = $1", guest.id)
    if gone:
        await guest.drop()
        await host.state(session_id, "paused")
    line = await scene.enter(guest)
    assert (await line.ask("room:join", session_id=session_id))["session"]["id"] == session_id


async def test_a_new_policy_is_told_to_everybody_and_accepted_by_going_on(scene: Scene) -> None:
    admin = await scene.enter(await scene.person("admin"))
    people = [await scene.guest(0), await scene.host(1)]
    versions = await admin.get("/v1/policy")
    text = f"# Policy\n\nWe keep your name, as of version {versions['items'][0]['version'] + 1}.\n"
    body = {"text_en": text, "text_fr": text, "reason": "The law changed."}
    published = await admin.post("/v1/admin/policies", body)
    for who in (*people, admin):
        await who.hear("policy:updated", lambda told: told["version"] == published["version"])

    async def bases(who: Visitor) -> list[str]:
        rows = await scene.sql(
            "select basis from policy_acceptances where person_id = $1 and version = $2",
            who.id,
            published["version"],
        )
        return [row["basis"] for row in rows]

    late = await scene.guest(1)
    await late.hear("policy:updated", lambda told: told["version"] == published["version"])
    await late.ask("directory:watch")
    assert await bases(people[0]) == await bases(late) == []
    await scene.ringing(people[0], people[1])

    async def accepted() -> bool:
        return await bases(people[0]) == ["continued_use"]

    await until(accepted, "going on was never noted")
    assert await bases(late) == []
    explicit = await late.post("/v1/policy/acceptances", {"version": published["version"]})
    assert explicit["basis"] == "explicit"


async def test_a_guest_applies_and_an_admin_decides(scene: Scene) -> None:
    guest, admin = await scene.guest(), await scene.enter(await scene.person("admin"))
    wanted = {"headline": "Tea", "topics": ["tea"], "rate_minor_per_minute": 100, "currency": "usd"}
    made = await guest.post("/v1/me/practitioner", wanted)
    assert made["state"] == "pending"
    decide = f"/v1/admin/applications/{made['id']}/decide"
    decided = await admin.post(decide, {"decision": "approve", "reason": "Papers seen."})
    assert decided["state"] in ("approved", "done")
    listed = await admin.get("/v1/admin/actions")
    assert made["id"] in [one["subject"] for one in listed["items"]]
