"""Cloud recording, kicking rules and signed notices of Agora's REST interface."""

import hashlib
import hmac
from typing import Any

import aiohttp

from tests.integration.sandbox.outside import HubStandIn, Sandbox

AUTH = {"Authorization": aiohttp.encode_basic_auth("customer", "secret")}


async def call(sandbox: Sandbox, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    url = f"{sandbox.url}/agora{path}"
    async with sandbox.http.request(method, url, json=body, headers=AUTH) as response:
        return response.status, await response.json()


async def test_a_recording_from_acquire_to_stop(sandbox: Sandbox) -> None:
    base, who = "/v1/apps/app1/cloud_recording", {"cname": "room1", "uid": "77"}
    _, acquired = await call(sandbox, "POST", f"{base}/acquire", {**who, "clientRequest": {}})
    resource = f"{base}/resourceid/{acquired['resourceId']}"
    _, started = await call(sandbox, "POST", f"{resource}/mode/mix/start", {**who, "clientRequest": {}})
    assert (await call(sandbox, "POST", f"{resource}/mode/mix/start", {**who, "clientRequest": {}}))[0] == 400
    running = f"{resource}/sid/{started['sid']}/mode/mix"
    assert (await call(sandbox, "GET", f"{running}/query"))[1]["serverResponse"]["status"] == 5
    status, stopped = await call(sandbox, "POST", f"{running}/stop", {**who, "clientRequest": {}})
    assert (status, stopped["serverResponse"]["uploadingStatus"]) == (200, "uploaded")
    assert (await call(sandbox, "POST", f"{running}/stop", {**who, "clientRequest": {}}))[0] == 404


async def test_kicking_rules_last_as_long_as_asked(sandbox: Sandbox) -> None:
    path = "/dev/v1/kicking-rule"
    _, made = await call(sandbox, "POST", path, {"appid": "app1", "cname": "room1", "uid": 77, "time": 10})
    _, listed = await call(sandbox, "GET", f"{path}?appid=app1")
    assert [(rule["id"], rule["uid"]) for rule in listed["rules"]] == [(made["id"], 77)]
    await sandbox.post("/control/clock", {"advance_s": 600})
    assert (await call(sandbox, "GET", f"{path}?appid=app1"))[1]["rules"] == []


async def test_notices_are_signed(sandbox: Sandbox, hub: HubStandIn) -> None:
    await sandbox.post(
        "/control/agora/notice", {"eventType": 103, "payload": {"channelName": "room1", "uid": 77}}
    )
    [got] = await hub.wait(lambda received: len(received) == 1)
    secret = sandbox.config.agora_webhook_secret.encode()
    assert got.path == "/webhooks/agora"
    assert (
        got.headers["Agora-Signature-V2"] == hmac.new(secret, got.body.encode(), hashlib.sha256).hexdigest()
    )
    assert got.event["payload"] == {"channelName": "room1", "uid": 77}
