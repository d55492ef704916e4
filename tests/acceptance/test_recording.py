"""A session is recorded while both agree, everybody in it sees that, and no longer."""

import hmac
import json
from typing import Any

import pytest

from sandbox.visitor import Json, Visitor
from tests.acceptance.scene import Scene, until
from tests.stack import Stack


@pytest.fixture
def stack(hasty: Stack) -> Stack:
    return hasty


async def agree(scene: Scene, *people: Visitor, granted: bool = True) -> None:
    for who in people:
        async with scene.http.put(
            f"{scene.stack.hub_urls[0]}/v1/me/consents/recording",
            json={"granted": granted},
            headers={"Authorization": f"Bearer {who.token}"},
        ) as response:
            assert response.status == 200, await response.text()


async def at_agora(scene: Scene, who: Visitor, session_id: str) -> list[Json]:
    """What Agora's recorder did in the session's channel."""
    media = (await who.ask("room:join", session_id=session_id))["media"]
    url = f"{scene.stack.sandbox_url}/control/agora/recordings"
    async with scene.http.get(url, params={"cname": media["channel"]}) as response:
        found: list[Json] = await response.json()
        return found


async def heard(who: Visitor, session_id: str, state: str, since: int = 0) -> Json:
    return await who.hear(
        "recording:changed",
        lambda body: body["session_id"] == session_id and body["state"] == state,
        since=since,
    )


async def test_both_agree_it_is_recorded_and_seen_until_one_takes_it_back(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    await agree(scene, guest, host)
    asked = await host.ask("recording:start", session_id=session_id)
    assert asked["recording"]["state"] in ("starting", "recording")
    # Again while it is: nothing more.
    await host.ask("recording:start", session_id=session_id)
    for who in (guest, host):
        told = await heard(who, session_id, "recording")
        assert told["by"] == host.id
    # A line that comes later, on either hub, sees it at once.
    for hub in (0, 1):
        line = await scene.enter(guest, hub)
        joined = await line.ask("room:join", session_id=session_id)
        assert joined["session"]["recording"]["state"] == "recording"
    (there,) = await at_agora(scene, guest, session_id)
    assert there["state"] == "recording"
    since = (guest.mark, host.mark)
    await agree(scene, guest, granted=False)
    for who, mark in zip((guest, host), since, strict=True):
        await heard(who, session_id, "stopped", since=mark)
    (there,) = await at_agora(scene, guest, session_id)
    assert there["state"] == "stopped"
    refused = await host.answer("recording:start", {"session_id": session_id})
    assert refused["error"]["code"] == "forbidden"
    assert "guest" in refused["error"]["message"]

    async def on_record() -> bool:
        (mine,) = (await guest.get("/v1/me/access"))["recordings"]
        return bool(mine["files"])

    await until(on_record, "the files were never told")
    (mine,) = (await guest.get("/v1/me/access"))["recordings"]
    (theirs,) = (await host.get("/v1/me/access"))["recordings"]
    assert mine == theirs
    assert (mine["state"], mine["stop_reason"], mine["started_by"]) == (
        "stopped",
        "consent_withdrawn",
        host.id,
    )
    assert not any("secret" in json.dumps(one) for one in mine["files"])


async def test_it_stops_when_asked_and_with_the_session(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    await agree(scene, guest, host)
    await host.ask("recording:start", session_id=session_id)
    await heard(guest, session_id, "recording")
    since = guest.mark
    for _ in range(2):
        await host.ask("recording:stop", session_id=session_id)
    await heard(guest, session_id, "stopped", since=since)
    since = guest.mark
    await host.ask("recording:start", session_id=session_id)
    await heard(guest, session_id, "recording", since=since)
    found = await at_agora(scene, guest, session_id)
    assert sorted(one["state"] for one in found) == ["recording", "stopped"]
    assert len({one["uid"] for one in found}) == 2
    channel = found[0]["cname"]
    ended = await guest.ask("session:end", session_id=session_id)
    assert ended["session"]["recording"] is None

    async def all_stopped() -> bool:
        url = f"{scene.stack.sandbox_url}/control/agora/recordings"
        async with scene.http.get(url, params={"cname": channel}) as response:
            return all(one["state"] == "stopped" for one in await response.json())

    await until(all_stopped, "the recorder outlived the session")


async def test_without_both_it_is_refused_and_nothing_is_asked_of_agora(scene: Scene) -> None:
    guest, host, session_id = await scene.couple()
    for agreeing in ((), (host,)):
        await agree(scene, *agreeing)
        assert await host.refusal("recording:start", session_id=session_id) == "forbidden"
    assert await guest.refusal("recording:start", session_id=session_id) == "forbidden"
    stranger = await scene.host()
    for event in ("recording:start", "recording:stop"):
        assert await stranger.refusal(event, session_id=session_id) == "not_found"
    assert await at_agora(scene, guest, session_id) == []
    assert guest.count("recording:changed") == 0


async def test_only_agora_can_tell_us_something(scene: Scene) -> None:
    url = f"{scene.stack.hub_urls[0]}/webhooks/agora"
    secret = scene.stack.env["AGORA_WEBHOOK_SECRET"].encode()

    def notice(ident: str, **payload: Any) -> bytes:
        told = {"channelName": "c" * 32, "uid": 1, "ts": 1_700_000_000, "clientSeq": 1} | payload
        body = {"noticeId": ident, "productId": 1, "eventType": 103, "notifyMs": 1, "payload": told}
        return json.dumps(body).encode()

    async def post(raw: bytes, signature: str | None) -> int:
        headers = {} if signature is None else {"Agora-Signature-V2": signature}
        async with scene.http.post(url, data=raw, headers=headers) as response:
            return response.status

    def signed(raw: bytes, key: bytes = secret, kind: str = "sha256") -> str:
        return hmac.new(key, raw, kind).hexdigest()

    raw = notice("acceptance-1")
    for wrong in (
        None, "", "0" * 64, "é" * 64, signed(raw, b"other"), signed(raw, kind="sha1"), signed(raw + b" "),
        signed(raw).upper(), signed(raw)[:-1],
    ):  # fmt: skip
        assert await post(raw, wrong) == 400, wrong
    huge = notice("acceptance-2", account="x" * (256 * 1024))
    assert await post(huge, signed(huge)) == 413
    for bad in (b"", b"[]", b"{}", b"\xff", notice("x" * 300), notice("n", uid=-1), notice("m", ts="1")):
        assert await post(bad, signed(bad)) == 400, bad
    assert await scene.sql("select 1 from webhook_inbox where event_id like 'agora:acceptance-%'") == []
    # Sent again with another `notifyMs`, it is the same notice.
    again = raw.replace(b'"notifyMs": 1', b'"notifyMs": 2')
    assert raw != again
    for sent in (raw, again, raw):
        assert await post(sent, signed(sent)) == 200
    rows = await scene.sql("select payload from webhook_inbox where event_id = 'agora:acceptance-1'")
    assert len(rows) == 1
    # What we have no use for was received all the same.
    other = notice("acceptance-3").replace(b"103", b"999")
    assert await post(other, signed(other)) == 200


async def test_what_agora_tells_of_people_is_kept_in_whatever_order_it_comes(scene: Scene) -> None:
    guest, _, session_id = await scene.couple()
    media = (await guest.ask("media:refresh", session_id=session_id))["media"]
    place = {"channel": media["channel"], "uid": media["uid"]}
    for action in ("duplicate_webhook", "reorder_webhooks"):
        await scene.control("faults", vendor="agora", action=action, times=1, match={"type": "103"})
    await scene.control("agora", event="joined", **place)
    await scene.control("agora", event="left", **place)
    await scene.control("agora", event="joined", **place)

    async def kept() -> bool:
        rows = await scene.sql(
            "select client_seq, joined from media_moves where channel = $1 order by client_seq",
            media["channel"],
        )
        return [(row["client_seq"], row["joined"]) for row in rows] == [(1, True), (2, False), (3, True)]

    await until(kept, "not all of it was kept once")
