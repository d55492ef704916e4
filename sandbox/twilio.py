"""Twilio's Messages: sending, status callbacks, and inbound texts such as STOP."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import parse_qsl, urlencode

from aiohttp import web

from sandbox.clock import Clock
from sandbox.courier import Courier
from sandbox.faults import Faults
from sandbox.settings import SandboxConfig, is_local
from sandbox.state import Json, Store
from sandbox.trouble import with_faults
from sandbox.twilio_rules import TwilioRefused, check, fate

INBOX_MAX = 10_000
PAGE = 50
_STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
_FINAL = frozenset({"delivered", "undelivered", "failed", "received", "read", "canceled"})
_START = frozenset({"START", "YES", "UNSTOP"})


class TwilioServer:
    """The endpoints under `/twilio`."""

    def __init__(
        self, config: SandboxConfig, store: Store, clock: Clock, courier: Courier, faults: Faults
    ) -> None:
        self._config, self._store, self._clock = config, store, clock
        self._courier, self._faults = courier, faults
        courier.sign_with("twilio", self._sign)

    def routes(self) -> list[web.RouteDef]:
        """The vendor's endpoints, the inbox and the inbound text."""
        base = "/twilio/2010-04-01/Accounts/{sid}/Messages"
        faulty = [
            web.post(f"{base}.json", with_faults(self._faults, "twilio", "/twilio", self.create)),
            web.get(f"{base}/{{message}}.json", with_faults(self._faults, "twilio", "/twilio", self.fetch)),
            web.get(f"{base}.json", with_faults(self._faults, "twilio", "/twilio", self.list)),
            web.delete(
                f"{base}/{{message}}.json", with_faults(self._faults, "twilio", "/twilio", self.delete)
            ),
        ]
        return [*faulty, web.get("/twilio/inbox", self.inbox), web.post("/twilio/inbound", self.inbound)]

    async def create(self, request: web.Request) -> web.StreamResponse:
        """Send a message; its status callbacks follow."""
        try:
            self._authenticate(request)
            form = check(parse_qsl(await request.text(), keep_blank_values=True))
            message = self._send(request.match_info["sid"], form)
        except TwilioRefused as refused:
            return web.json_response(refused.body, status=refused.status)
        self._store.commit()
        return web.json_response(message, status=201)

    def _send(self, account: str, form: dict[str, str]) -> Json:
        to, body = form["To"], form["Body"]
        sender = form.get("From") or form["MessagingServiceSid"]
        if self._store.get("unsubscribed", to):
            raise TwilioRefused(400, 21610, "Attempt to send to unsubscribed recipient")
        message = self._keep(account, to, sender, body, "outbound-api", "queued")
        status, error = fate(to)
        if callback := form.get("StatusCallback"):
            if not is_local(callback):
                raise TwilioRefused(400, 21609, "The sandbox calls back on this machine only.")
            self._call_back(message, callback, status, error)
        # The network takes no time here: a fetched message has already arrived, or never will.
        self._store.put("sms", message["sid"], {**message, "status": status, "error_code": error})
        return message

    def _keep(self, account: str, to: str, sender: str, body: str, direction: str, status: str) -> Json:
        sid = f"SM{secrets.token_hex(16)}"
        at = format_datetime(datetime.fromtimestamp(self._clock.now_s(), UTC))
        message: Json = {
            "sid": sid,
            "account_sid": account,
            "api_version": "2010-04-01",
            "body": body,
            "date_created": at,
            "date_sent": at,
            "date_updated": at,
            "direction": direction,
            "error_code": None,
            "error_message": None,
            "from": sender,
            "messaging_service_sid": None,
            "num_media": "0",
            "num_segments": str(1 + len(body) // 161),
            "price": None,
            "price_unit": "USD",
            "status": status,
            "subresource_uris": {},
            "to": to,
            "uri": f"/2010-04-01/Accounts/{account}/Messages/{sid}.json",
        }
        while self._store.count("sms") >= INBOX_MAX:
            self._store.delete("sms", self._store.oldest_id("sms") or "")
        return self._store.put("sms", sid, message)

    def _call_back(self, message: Json, url: str, last: str, error: int | None) -> None:
        for status in ("queued", "sent", last):
            fields = {
                "MessageSid": message["sid"],
                "SmsSid": message["sid"],
                "MessageStatus": status,
                "SmsStatus": status,
                "To": message["to"],
                "From": message["from"],
                "AccountSid": message["account_sid"],
                "ApiVersion": "2010-04-01",
            }
            if status == last and error is not None:
                fields["ErrorCode"] = str(error)
            self._post(status, url, fields)

    def _post(self, kind: str, url: str, fields: dict[str, str]) -> None:
        self._courier.send(
            vendor="twilio",
            kind=kind,
            url=url,
            body=urlencode(fields),
            content_type="application/x-www-form-urlencoded",
            extra={"signer": "twilio"},
        )

    def _sign(self, delivery: Json) -> Mapping[str, str]:
        """HMAC-SHA1 over the whole address and the sorted fields."""
        fields = sorted(parse_qsl(delivery["body"], keep_blank_values=True))
        text = delivery["url"] + "".join(key + value for key, value in fields)
        digest = hmac.new(self._config.twilio_auth_token.encode(), text.encode(), hashlib.sha1).digest()
        return {"X-Twilio-Signature": base64.b64encode(digest).decode(), "User-Agent": "TwilioProxy/1.1"}

    async def fetch(self, request: web.Request) -> web.StreamResponse:
        """One message by its sid."""
        try:
            self._authenticate(request)
        except TwilioRefused as refused:
            return web.json_response(refused.body, status=refused.status)
        message = self._store.get("sms", request.match_info["message"])
        if message is None:
            unknown = TwilioRefused(404, 20404, "The requested resource was not found")
            return web.json_response(unknown.body, status=unknown.status)
        return web.json_response(message)

    async def list(self, request: web.Request) -> web.StreamResponse:
        """The last messages, by `To`, by `From`, or all."""
        try:
            self._authenticate(request)
        except TwilioRefused as refused:
            return web.json_response(refused.body, status=refused.status)
        to, sender = request.query.get("To"), request.query.get("From")
        messages = [
            m for m in self._store.newest("sms") if to in (None, m["to"]) and sender in (None, m["from"])
        ][:PAGE]
        told = {"messages": messages, "page": 0, "page_size": PAGE, "next_page_uri": None}
        return web.json_response(told)

    async def delete(self, request: web.Request) -> web.StreamResponse:
        """Forget a message, once it has arrived or failed for good."""
        try:
            self._authenticate(request)
            self._forget(request.match_info["message"])
        except TwilioRefused as refused:
            return web.json_response(refused.body, status=refused.status)
        self._store.commit()
        return web.Response(status=204)

    def _forget(self, sid: str) -> None:
        message = self._store.get("sms", sid)
        if message is None:
            raise TwilioRefused(404, 20404, "The requested resource was not found")
        if message["status"] not in _FINAL:
            raise TwilioRefused(409, 20009, "Cannot delete message: delivery is not completed")
        self._store.delete("sms", sid)

    async def inbox(self, request: web.Request) -> web.Response:
        """What was sent, newest first: for people and tests, not a part of Twilio."""
        wanted = request.query.get("to")
        sent = [
            m
            for m in self._store.newest("sms")
            if m["direction"] == "outbound-api" and wanted in (None, m["to"])
        ]
        return web.json_response(sent[:1_000])

    async def inbound(self, request: web.Request) -> web.Response:
        """`{from, body}`: a person's text to the platform. STOP also unsubscribes here, as at Twilio."""
        given = await request.json()
        sender, body, account = str(given["from"]), str(given["body"]), f"AC{'0' * 32}"
        word = body.strip().upper()
        if word in _STOP:
            self._store.put("unsubscribed", sender, {"number": sender})
        elif word in _START:
            self._store.delete("unsubscribed", sender)
        message = self._keep(
            account, str(given.get("to", "+15005550006")), sender, body, "inbound", "received"
        )
        fields = {
            "MessageSid": message["sid"],
            "SmsSid": message["sid"],
            "AccountSid": account,
            "From": sender,
            "To": message["to"],
            "Body": body,
            "NumMedia": "0",
            "NumSegments": "1",
            "ApiVersion": "2010-04-01",
        }
        if word in _STOP | _START:
            fields["OptOutType"] = "STOP" if word in _STOP else "START"
        self._post("received", f"{self._config.public_url}/webhooks/twilio", fields)
        self._store.commit()
        return web.json_response({"sid": message["sid"]}, status=202)

    def _authenticate(self, request: web.Request) -> None:
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        try:
            user, _, password = base64.b64decode(encoded).decode().partition(":")
        except ValueError:
            user = password = ""
        right = hmac.compare_digest(password.encode(), self._config.twilio_auth_token.encode())
        if scheme != "Basic" or user != request.match_info["sid"] or not right:
            raise TwilioRefused(401, 20003, "Authenticate")
