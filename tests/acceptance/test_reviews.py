"""Reviews, favourites and the waiting list between real people on two hubs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from sandbox.visitor import Json, Visitor
from tests.acceptance.scene import Scene, until

KIND = "She listened, and it helped me a lot."
MARKUP = "<script>alert(1)</script> <img src=x onerror=alert(1)> \u202eDear\u202c"
PHONE = "Wonderful! Call me on +41 79 555 12 34 to talk about it."


async def send(who: Visitor, method: str, path: str, body: object = None, **more: Any) -> tuple[int, Json]:
    """Any HTTP request of a person; over a line of its own."""
    headers = {"Authorization": f"Bearer {who.token}", **more}
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, f"{who.hub}{path}", headers=headers, json=body) as response,
    ):
        return response.status, await response.json()


async def done(who: Visitor, method: str, path: str, body: object = None) -> Json:
    status, answer = await send(who, method, path, body)
    assert status == 200, answer
    return answer


async def refused(who: Visitor, method: str, path: str, body: object = None) -> str:
    status, answer = await send(who, method, path, body)
    assert status >= 400, answer
    return str(answer["error"]["code"])


@asynccontextmanager
async def paid(scene: Scene, guest: Visitor, host: Visitor) -> AsyncIterator[str]:
    """A settled session that the record says was paid for five minutes; afterwards as it really was."""
    session_id = await scene.live(guest, host)
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    [real] = await scene.sql(
        "select billed_ms, subtotal_minor, waived from settlements where session_id = $1", session_id
    )
    put = "update settlements set billed_ms = $2, subtotal_minor = $3, waived = $4 where session_id = $1"
    await scene.sql(put, session_id, 300_000, 1_500, None)
    try:
        yield session_id
    finally:
        await scene.sql(put, session_id, *real)


async def test_a_review_changes_the_rating_for_watchers_on_every_hub(scene: Scene) -> None:
    guest, host, watcher = await scene.guest(0), await scene.host(1), await scene.guest(1)
    await watcher.ask("directory:watch")
    async with paid(scene, guest, host) as session_id:
        path = f"/v1/sessions/{session_id}/reviews"
        made = await guest.post(path, {"rating": 5, "text": MARKUP})
        assert (made["status"], made["version"], made["shown"]) == ("published", 1, True)
        assert made["text"] == "<script>alert(1)</script> <img src=x onerror=alert(1)> Dear"
        rated = await watcher.hear("directory:changed", lambda body: body.get("rating_count") == 1)
        assert (rated["id"], rated["rating"]) == (host.id, 4.27)
        assert await guest.post(path, {"rating": 5, "text": MARKUP}) == made
        assert await refused(guest, "POST", path, {"rating": 1, "text": KIND}) == "conflict"
        changed = await done(
            guest, "PATCH", f"/v1/reviews/{made['id']}", {"version": 1, "rating": 1, "text": KIND}
        )
        assert (changed["version"], changed["rating"]) == (2, 1)
        await watcher.hear("directory:changed", lambda body: body.get("rating") == 3.91)
        await host.post(f"/v1/reviews/{made['id']}/answer", {"text": "Thank you."})
        listed = await watcher.get(f"/v1/practitioners/{host.id}/reviews")
        [shown] = listed["items"]
        assert (shown["author"], shown["rating"], shown["text"]) == (guest.name.split()[0], 1, KIND)
        assert shown["answer"]["text"] == "Thank you."
        assert "session_id" not in shown
        assert guest.id not in str(listed)
        entry = await watcher.get(f"/v1/practitioners/{host.id}")
        assert (entry["rating"], entry["rating_count"]) == (3.91, 1)
        assert [one["id"] for one in (await guest.get("/v1/me/reviews"))["items"]] == [made["id"]]


async def test_a_moderator_takes_a_reported_review_out(scene: Scene) -> None:
    guest, host, watcher = await scene.guest(0), await scene.host(1), await scene.guest(0)
    moderator = await scene.enter(await scene.person("moderator"), 1)
    await watcher.ask("directory:watch")
    await moderator.ask("moderation:watch")
    async with paid(scene, guest, host) as session_id:
        made = await guest.post(f"/v1/sessions/{session_id}/reviews", {"rating": 1, "text": KIND})
        path = f"/v1/reviews/{made['id']}/reports"
        assert await refused(guest, "POST", path, {"reason": "mine"}) == "bad_request"
        report = await host.post(path, {"reason": "it is not true"})
        assert await host.post(path, {"reason": "it is not true"}) == report
        told = await moderator.hear(
            "moderation:flag", lambda body: body["flag"].get("review_id") == made["id"]
        )
        flag = told["flag"]
        assert (flag["user_id"], flag["session_id"], flag["category"]) == (guest.id, session_id, "report")
        read = await moderator.get(f"/v1/moderation/reviews/{made['id']}")
        assert [(one["text"], one["rating"]) for one in read["items"]] == [(KIND, 1)]
        evidence = await moderator.get("/v1/moderation/evidence", flag_id=flag["id"])
        opened = await moderator.get(f"/v1/moderation/evidence/{evidence['items'][0]['id']}")
        assert opened["snapshot"]["text"] == KIND
        act = {"session_id": session_id, "flag_id": flag["id"], "action": "reject", "note": "It insults."}
        await moderator.ask("moderation:act", **act)
        await guest.hear("safety:notice", lambda body: body["code"] == "review_rejected")
        await host.hear("safety:notice", lambda body: body["code"] == "report_decided")
        await watcher.hear("directory:changed", lambda body: body.get("rating_count") == 0)
        assert (await host.get(f"/v1/practitioners/{host.id}/reviews"))["items"] == []
        [own] = (await guest.get("/v1/me/reviews"))["items"]
        assert (own["status"], own["shown"]) == ("rejected", False)


async def test_held_words_are_told_to_wait_and_a_moderator_lets_them_through(scene: Scene) -> None:
    guest, host = await scene.guest(0), await scene.host(1)
    moderator = await scene.enter(await scene.person("moderator"), 1)
    await moderator.ask("moderation:watch")
    async with paid(scene, guest, host) as session_id:
        path = f"/v1/sessions/{session_id}/reviews"
        status, made = await send(
            guest, "POST", path, {"rating": 5, "text": PHONE}, **{"Accept-Language": "fr"}
        )
        assert (status, made["status"], made["shown"]) == (200, "pending", False)
        assert made["because"].startswith("Ces mots patientent")
        flag = (
            await moderator.hear("moderation:flag", lambda body: body["flag"].get("review_id") == made["id"])
        )["flag"]
        act = {"session_id": session_id, "flag_id": flag["id"], "action": "release", "note": "Fine."}
        await moderator.ask("moderation:act", **act)
        await guest.hear("safety:notice", lambda body: body["code"] == "review_released")
        assert len((await guest.get(f"/v1/practitioners/{host.id}/reviews"))["items"]) == 1


async def test_short_and_foreign_sessions_have_no_review(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    path, review = f"/v1/sessions/{session_id}/reviews", {"rating": 1, "text": KIND}
    assert await refused(guest, "POST", path, review) == "conflict"
    await guest.ask("session:end", session_id=session_id)
    await guest.state(session_id, "settled")
    assert await refused(guest, "POST", path, review) == "conflict"
    assert await refused(await scene.guest(), "POST", path, review) == "not_found"
    assert await refused(host, "POST", path, review) == "forbidden"
    for wrong in ({"rating": 6}, {"rating": 0}, {"rating": True}, {"rating": 4.5}, {"text": ""}, {"x": 1}):
        assert await refused(guest, "POST", path, {**review, **wrong}) == "bad_request"


async def test_blocked_people_do_not_read_each_other(scene: Scene) -> None:
    guest, host, other = await scene.guest(0), await scene.host(1), await scene.guest(1)
    async with paid(scene, guest, host) as session_id:
        made = await guest.post(f"/v1/sessions/{session_id}/reviews", {"rating": 2, "text": KIND})
        await other.ask("safety:block", user_id=host.id)
        assert await refused(other, "GET", f"/v1/practitioners/{host.id}/reviews") == "not_found"
        await done(guest, "PUT", f"/v1/me/favourites/{host.id}")
        await host.ask("safety:block", user_id=guest.id)
        assert (await host.get(f"/v1/practitioners/{host.id}/reviews"))["items"] == []
        assert await refused(host, "POST", f"/v1/reviews/{made['id']}/answer", {"text": "No."}) == "not_found"
        assert (await guest.get("/v1/me/favourites"))["items"] == []


async def test_favourites(scene: Scene) -> None:
    guest, host = await scene.guest(0), await scene.host(1)
    path = f"/v1/me/favourites/{host.id}"
    assert await refused(guest, "GET", path) == "not_found"
    first = await done(guest, "PUT", path)
    assert await done(guest, "PUT", path) == first
    assert (first["id"], first["name"], first["status"]) == (host.id, host.name, "online")
    assert (await guest.get("/v1/me/favourites"))["items"] == [first]
    assert await refused(guest, "PUT", f"/v1/me/favourites/{guest.id}") == "not_found"
    for _ in range(2):
        await done(guest, "DELETE", path)
    assert (await guest.get("/v1/me/favourites"))["items"] == []


async def test_who_waited_is_asked_first(scene: Scene) -> None:
    host = await scene.host(1)
    busy = await scene.guest(0)
    session_id = await scene.live(busy, host)
    first, second, passer = await scene.guest(0), await scene.guest(1), await scene.guest(0)
    path = f"/v1/me/waitlist/{host.id}"
    for place, guest in enumerate((first, second), start=1):
        assert (await done(guest, "PUT", path))["place"] == place
        assert (await done(guest, "PUT", path))["place"] == place
    await busy.ask("session:end", session_id=session_id)
    told = await first.hear("notice", lambda body: body.get("kind") == "practitioner_free")
    assert told["practitioner_id"] == host.id
    assert (await first.get(path))["offer_until_ms"] == told["expires_at_ms"]

    async def theirs() -> bool:
        return await passer.refusal("session:request", practitioner_id=host.id, request_id="p") == "busy"

    await until(theirs, "a passer-by was never asked to wait")
    session_id = await scene.live(first, host)
    assert second.count("notice") == 0
    assert await refused(first, "GET", path) == "not_found"
    await first.ask("session:end", session_id=session_id)
    await second.hear("notice", lambda body: body.get("kind") == "practitioner_free")
    assert first.count("notice") == 1
    for _ in range(2):
        await done(second, "DELETE", path)
    assert await refused(second, "GET", path) == "not_found"
