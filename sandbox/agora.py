"""Agora's REST: cloud recording, kicking rules, and its signed notices."""

from aiohttp import web

from sandbox.agora_notices import Notices
from sandbox.agora_recording import Recordings, refused
from sandbox.clock import Clock
from sandbox.courier import Courier
from sandbox.faults import Faults
from sandbox.settings import SandboxConfig
from sandbox.state import Json, Store
from sandbox.trouble import Handler, with_faults

RULES_MAX = 10_000
KICK_MINUTES_MAX = 1_440


class AgoraServer:
    """The endpoints under `/agora`."""

    def __init__(
        self, config: SandboxConfig, store: Store, clock: Clock, courier: Courier, faults: Faults
    ) -> None:
        self._store, self._clock, self._faults = store, clock, faults
        self.notices = Notices(config, store, clock, courier)
        self.recordings = Recordings(store, clock, self.notices)

    def routes(self) -> list[web.RouteDef]:
        """The vendor's endpoints."""
        base = "/agora/v1/apps/{app}/cloud_recording"
        running = f"{base}/resourceid/{{resource}}/sid/{{sid}}/mode/{{mode}}"
        recordings = self.recordings
        table = [
            ("POST", f"{base}/acquire", recordings.acquire),
            ("POST", f"{base}/resourceid/{{resource}}/mode/{{mode}}/start", recordings.start),
            ("GET", f"{running}/query", recordings.query),
            ("POST", f"{running}/stop", recordings.stop),
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

    async def kick(self, request: web.Request) -> web.StreamResponse:
        """Ban a user, an address or a channel for some minutes."""
        body = await request.json()
        minutes = body.get("time", 60)
        if not body.get("appid") or not any(body.get(n) for n in ("cname", "uid", "ip")):
            return refused(2, "appid and one of cname, uid, ip are needed")
        if type(minutes) is not int or not 0 <= minutes <= KICK_MINUTES_MAX:
            return refused(2, f"time is 0..{KICK_MINUTES_MAX} minutes")
        if self._store.count("kicking_rule") >= RULES_MAX:
            return refused(2, "too many rules", status=429)
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
        if str(rule["uid"]).isdecimal():
            self.recordings.put_out(rule["cname"], int(rule["uid"]))
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

    def in_channel(self, asked: Json) -> Json:
        """`{channel, uid, event: joined | left, at_ms?}`: somebody comes or goes → the notice."""
        at_ms = asked.get("at_ms")
        return self.notices.move(str(asked["channel"]), int(asked["uid"]), str(asked["event"]), at_ms=at_ms)
