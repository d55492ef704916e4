"""Agora's REST: cloud recording, kicking rules, and its signed notices."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping

from aiohttp import web

from sandbox.clock import Clock
from sandbox.courier import Courier
from sandbox.faults import Faults
from sandbox.settings import SandboxConfig
from sandbox.state import Json, Store
from sandbox.trouble import Handler, with_faults

RESOURCE_LASTS_S = 300
RULES_MAX = 10_000
KICK_MINUTES_MAX = 1_440


class AgoraServer:
    """The endpoints under `/agora`."""

    def __init__(
        self, config: SandboxConfig, store: Store, clock: Clock, courier: Courier, faults: Faults
    ) -> None:
        self._config, self._store, self._clock = config, store, clock
        self._courier, self._faults = courier, faults
        courier.sign_with("agora", self._sign)

    def routes(self) -> list[web.RouteDef]:
        """The vendor's endpoints."""
        base = "/agora/v1/apps/{app}/cloud_recording"
        running = f"{base}/resourceid/{{resource}}/sid/{{sid}}/mode/{{mode}}"
        table = [
            ("POST", f"{base}/acquire", self.acquire),
            ("POST", f"{base}/resourceid/{{resource}}/mode/{{mode}}/start", self.start),
            ("GET", f"{running}/query", self.query),
            ("POST", f"{running}/stop", self.stop),
            ("POST", "/agora/dev/v1/kicking-rule", self.kick),
            ("GET", "/agora/dev/v1/kicking-rule", self.kicked),
            ("DELETE", "/agora/dev/v1/kicking-rule", self.unkick),
        ]
        return [web.route(method, path, self._answering(handler)) for method, path, handler in table]

    def _answering(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            if not request.headers.get("Authorization", "").startswith("Basic "):
                return web.json_response({"message": "Invalid authentication credentials"}, status=401)
            response = await handler(request)
            self._store.commit()
            return response

        return with_faults(self._faults, "agora", "/agora", handle)

    async def acquire(self, request: web.Request) -> web.StreamResponse:
        """Reserve a recording resource for a channel and a uid."""
        body = await request.json()
        if not body.get("cname") or not str(body.get("uid", "")).isdecimal():
            return _refused(2, "cname and a numeric uid are needed")
        resource = secrets.token_urlsafe(48)
        self._store.put(
            "recording",
            resource,
            {
                "resourceId": resource,
                "cname": body["cname"],
                "uid": str(body["uid"]),
                "sid": None,
                "acquired_s": self._clock.now_s(),
                "state": "acquired",
            },
        )
        return web.json_response({"cname": body["cname"], "uid": str(body["uid"]), "resourceId": resource})

    async def start(self, request: web.Request) -> web.StreamResponse:
        """Start recording; a resource starts once, within five minutes."""
        body, recording = await request.json(), self._store.get("recording", request.match_info["resource"])
        if (
            recording is None
            or recording["state"] != "acquired"
            or (self._clock.now_s() - recording["acquired_s"] > RESOURCE_LASTS_S)
        ):
            return _refused(7, "the resource has been used or has expired")
        if body.get("cname") != recording["cname"] or str(body.get("uid")) != recording["uid"]:
            return _refused(2, "cname and uid must be those of the acquire")
        sid = secrets.token_hex(16)
        self._store.put("recording", recording["resourceId"], recording | {"sid": sid, "state": "recording"})
        return web.json_response(
            {
                "resourceId": recording["resourceId"],
                "sid": sid,
                "cname": body["cname"],
                "uid": recording["uid"],
            }
        )

    def _running(self, request: web.Request) -> Json | None:
        recording = self._store.get("recording", request.match_info["resource"])
        if (
            recording is None
            or recording["sid"] != request.match_info["sid"]
            or recording["state"] != "recording"
        ):
            return None
        return recording

    async def query(self, request: web.Request) -> web.StreamResponse:
        """How a running recording stands."""
        recording = self._running(request)
        if recording is None:
            return _refused(404, "failed to find worker", status=404)
        return web.json_response(
            {
                "resourceId": recording["resourceId"],
                "sid": recording["sid"],
                "serverResponse": {
                    "status": 5,
                    "fileListMode": "json",
                    "fileList": [],
                    "sliceStartTime": recording["acquired_s"] * 1000,
                },
            }
        )

    async def stop(self, request: web.Request) -> web.StreamResponse:
        """Stop a recording and list its files."""
        recording = self._running(request)
        if recording is None:
            return _refused(404, "failed to find worker", status=404)
        self._store.put("recording", recording["resourceId"], recording | {"state": "stopped"})
        name = f"{recording['sid']}_{recording['cname']}.m3u8"
        files = [
            {
                "fileName": name,
                "trackType": "audio_and_video",
                "uid": "0",
                "mixedAllUser": True,
                "isPlayable": True,
                "sliceStartTime": recording["acquired_s"] * 1000,
            }
        ]
        return web.json_response(
            {
                "resourceId": recording["resourceId"],
                "sid": recording["sid"],
                "serverResponse": {"fileListMode": "json", "fileList": files, "uploadingStatus": "uploaded"},
            }
        )

    async def kick(self, request: web.Request) -> web.StreamResponse:
        """Ban a user, an address or a channel for some minutes."""
        body = await request.json()
        minutes = body.get("time", 60)
        if not body.get("appid") or not any(body.get(n) for n in ("cname", "uid", "ip")):
            return _refused(2, "appid and one of cname, uid, ip are needed")
        if type(minutes) is not int or not 0 <= minutes <= KICK_MINUTES_MAX:
            return _refused(2, f"time is 0..{KICK_MINUTES_MAX} minutes")
        if self._store.count("kicking_rule") >= RULES_MAX:
            return _refused(2, "too many rules", status=429)
        ident = max((rule["id"] for rule in self._store.all("kicking_rule")), default=1000) + 1
        rule = {
            "id": ident,
            "appid": body["appid"],
            "cname": body.get("cname", ""),
            "uid": body.get("uid", 0),
            "ip": body.get("ip", ""),
            "privileges": body.get("privileges", ["join_channel"]),
            "time": minutes,
            "ts": self._clock.now_s() + minutes * 60,
        }
        self._store.put("kicking_rule", str(ident), rule)
        return web.json_response({"status": "success", "id": ident})

    async def kicked(self, request: web.Request) -> web.StreamResponse:
        """The rules in force for an app."""
        app, now_s = request.query.get("appid"), self._clock.now_s()
        rules = [r for r in self._store.all("kicking_rule") if r["appid"] == app and r["ts"] > now_s]
        return web.json_response({"status": "success", "rules": rules})

    async def unkick(self, request: web.Request) -> web.StreamResponse:
        """Lift a rule."""
        ident = str((await request.json()).get("id"))
        self._store.delete("kicking_rule", ident)
        return web.json_response({"status": "success", "id": int(ident) if ident.isdecimal() else 0})

    def notice(self, given: Json) -> Json:
        """Queue a notice `{noticeId, productId, eventType, notifyMs, payload}` for the hub."""
        body = {
            "noticeId": given.get("noticeId") or f"{secrets.token_hex(8)}:{self._clock.now_ms()}",
            "productId": given.get("productId", 1),
            "eventType": given["eventType"],
            "notifyMs": given.get("notifyMs", self._clock.now_ms()),
            "payload": given.get("payload", {}),
        }
        self._courier.send(
            vendor="agora",
            kind=str(body["eventType"]),
            url=f"{self._config.public_url}/webhooks/agora",
            body=json.dumps(body),
            content_type="application/json",
            extra={"signer": "agora"},
        )
        return body

    def _sign(self, delivery: Json) -> Mapping[str, str]:
        secret, body = self._config.agora_webhook_secret.encode(), delivery["body"].encode()
        return {
            "Agora-Signature": hmac.new(secret, body, hashlib.sha1).hexdigest(),
            "Agora-Signature-V2": hmac.new(secret, body, hashlib.sha256).hexdigest(),
        }


def _refused(code: int, reason: str, status: int = 400) -> web.Response:
    return web.json_response({"code": code, "reason": reason, "message": reason}, status=status)
