"""Agora's signed notices to the hub: of recordings, and of people who come into a channel and leave it."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from typing import Final

from sandbox.clock import Clock
from sandbox.courier import Courier
from sandbox.settings import SandboxConfig
from sandbox.state import Json, Store

RTC: Final = 1
BROADCASTER: Final = {"joined": 103, "left": 104}
WEB, QUIT = 7, 1
"""Agora's numbers of a platform, and of a departure on purpose."""


class Unlikely(ValueError):
    """Nobody can do this in a channel."""


class Notices:
    """Queues notices. One keeps its `noticeId` however often it is sent; its `notifyMs` is new each time."""

    def __init__(self, config: SandboxConfig, store: Store, clock: Clock, courier: Courier) -> None:
        self._config, self._store, self._clock, self._courier = config, store, clock, courier
        courier.sign_with("agora", self._sign)

    def send(self, given: Json) -> Json:
        """Queue `{noticeId, productId, eventType, notifyMs, payload}` for the hub."""
        body = {
            "noticeId": given.get("noticeId") or f"{secrets.token_hex(8)}:{self._clock.now_ms()}",
            "productId": given.get("productId", RTC),
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

    def move(self, channel: str, uid: int, event: str, *, at_ms: int | None = None) -> Json:
        """Somebody comes into a channel (`joined`) or leaves it (`left`), now or at a time.

        Raises Unlikely for who is out already, or may not come in.
        """
        kind = BROADCASTER.get(event)
        if kind is None:
            raise Unlikely("event is joined or left")
        at_s = (self._clock.now_ms() if at_ms is None else at_ms) // 1000
        ident = f"{channel}:{uid}"
        place = self._store.get("channel_place", ident) or {"client_seq": 0, "since_s": None}
        if (event == "joined") == (place["since_s"] is not None):
            raise Unlikely(f"uid {uid} has {event} already")
        if event == "joined" and self.is_out(channel, uid):
            raise Unlikely(f"a rule keeps uid {uid} out")
        payload = {
            "channelName": channel,
            "uid": uid,
            "platform": WEB,
            "clientType": 0,
            "clientSeq": place["client_seq"] + 1,
            "ts": at_s,
            "account": "",
        }
        if event == "left":
            payload |= {"reason": QUIT, "duration": at_s - place["since_s"]}
        since_s = at_s if event == "joined" else None
        self._store.put("channel_place", ident, {"client_seq": place["client_seq"] + 1, "since_s": since_s})
        return self.send({"eventType": kind, "payload": payload})

    def is_out(self, channel: str, uid: int) -> bool:
        """Whether a rule keeps this uid out of the channel."""
        now_s = self._clock.now_s()
        return any(
            rule["cname"] == channel and str(rule["uid"]) == str(uid) and rule["ts"] > now_s
            for rule in self._store.all("kicking_rule")
        )

    def _sign(self, delivery: Json) -> Mapping[str, str]:
        if delivery["attempts"]:
            again = json.loads(delivery["body"]) | {"notifyMs": self._clock.now_ms()}
            delivery["body"] = json.dumps(again)
        secret, body = self._config.agora_webhook_secret.encode(), delivery["body"].encode()
        return {
            "Agora-Signature": hmac.new(secret, body, hashlib.sha1).hexdigest(),
            "Agora-Signature-V2": hmac.new(secret, body, hashlib.sha256).hexdigest(),
        }
