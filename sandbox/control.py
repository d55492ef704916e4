"""`/control/*`: what tests and people tell the outside world to do."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import asyncpg
from aiohttp import web

from sandbox.agora import AgoraServer
from sandbox.agora_notices import Unlikely
from sandbox.auth.errors import AuthRefused
from sandbox.faults import BadRule, Faults, parse_rule
from sandbox.people import COUNT_MAX, ROLES, Makers, make_people
from sandbox.state import Json
from sandbox.stripe import accounts, balance, charging, checkout, disputes, payouts, refunds
from sandbox.stripe.errors import StripeError
from sandbox.stripe.world import World, new_id, shown

_BY_SESSION = {
    "payment_intents": "payment_intent",
    "charges": "charge",
    "transfers": "transfer",
    "refunds": "refund",
    "reversals": "transfer_reversal",
    "customers": "customer",
    "accounts": "account",
    "disputes": "dispute",
    "events": "event",
    "balance_transactions": "balance_transaction",
    "setup_intents": "setup_intent",
}
ADVANCE_MAX_S = 10 * 365 * 86_400


class Refused(ValueError):
    """The request makes no sense; the message says why."""


def sweep(world: World) -> None:
    """Everything that time alone brings about at Stripe."""
    charging.expire_holds(world)
    checkout.expire_sessions(world)
    payouts.pay_due(world)


class Control:
    """The control endpoints. Answers are JSON; a refusal is 400 `{error}`."""

    def __init__(self, makers: Makers, faults: Faults, agora: AgoraServer) -> None:
        self._makers, self._world, self._faults, self._agora = makers, makers.world, faults, agora

    def routes(self) -> list[web.RouteDef]:
        """All control endpoints."""
        table = [
            ("POST", "people", self.people),
            ("POST", "token", self.token),
            ("POST", "faults", self.add_faults),
            ("GET", "faults", self.list_faults),
            ("DELETE", "faults", self.clear_faults),
            ("POST", "clock", self.clock),
            ("GET", "clock", self.clock),
            ("POST", "dispute", self.dispute),
            ("POST", "dispute/close", self.close_dispute),
            ("POST", "refund/fail", self.fail_refund),
            ("POST", "deauthorize", self.deauthorize),
            ("POST", "capability", self.capability),
            ("POST", "balance", self.balance),
            ("POST", "agora", self.in_channel),
            ("POST", "agora/notice", self.notice),
            ("GET", "agora/recordings", self.recordings),
            ("GET", "webhooks", self.webhooks),
            ("POST", "webhooks/resend", self.resend),
            ("GET", "stripe/{kind}", self.objects),
        ]
        return [
            web.route(method, f"/control/{path}", self._answering(handler)) for method, path, handler in table
        ]

    def _answering(
        self, handler: Callable[[web.Request], Awaitable[object]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                answer = await handler(request)
            except (Refused, BadRule, StripeError, AuthRefused, KeyError, Unlikely) as error:
                return web.json_response({"error": str(error)}, status=400)
            except (asyncpg.PostgresError, OSError) as error:
                return web.json_response({"error": f"the hub's database: {error}"}, status=503)
            finally:
                self._makers.store.commit()
            return web.json_response(answer)

        return handle

    async def people(self, request: web.Request) -> object:
        """`{role, count}` → `[{id, email, password, name, access_token, refresh_token}]`."""
        body = await _body(request)
        role, count = body.get("role", "guest"), body.get("count", 1)
        if role not in ROLES:
            raise Refused(f"role is one of {', '.join(ROLES)}")
        if type(count) is not int or not 1 <= count <= COUNT_MAX:
            raise Refused(f"count lies between 1 and {COUNT_MAX}")
        return await make_people(self._makers, role, count)

    async def token(self, request: web.Request) -> object:
        """`{id, ttl_s?, aal?}`: an access token of a chosen life and assurance level, in a new session."""
        body = await _body(request)
        auth = self._makers.auth
        user = auth.get(str(body.get("id")))
        grant = auth.sign_in(user, aal=str(body.get("aal", "aal1")))
        session = auth.session(auth.key.verify(grant["access_token"], auth.issuer)["session_id"])
        return {
            "access_token": auth.access_token(user, session, int(body.get("ttl_s", 3_600))),
            "refresh_token": grant["refresh_token"],
        }

    async def add_faults(self, request: web.Request) -> object:
        """`[{vendor, match, action, times, ms?}]` or one of them → their ids."""
        body = await _json(request)
        rules = [parse_rule(item) for item in (body if isinstance(body, list) else [body])]
        self._faults.add(rules)
        return [rule.id for rule in rules]

    async def list_faults(self, request: web.Request) -> object:
        """The rules still in force."""
        return [
            {
                "id": r.id,
                "vendor": r.vendor,
                "action": r.action,
                "match": r.match,
                "times": r.times,
                "ms": r.ms,
            }
            for r in self._faults.rules
        ]

    async def clear_faults(self, request: web.Request) -> object:
        """Remove every rule."""
        self._faults.clear()
        return {}

    async def clock(self, request: web.Request) -> object:
        """`{advance_s}` → `{now_ms}`; what falls due on the way happens before the answer."""
        if request.method == "POST":
            advance_s = (await _body(request)).get("advance_s")
            if type(advance_s) is not int or not 0 <= advance_s <= ADVANCE_MAX_S:
                raise Refused("advance_s is a whole number of seconds, not negative")
            self._world.clock.advance(advance_s)
            # Calls whose hanging is over by now are carried out before we go on: each woke in front of us.
            # Whoever looks a day later for what a lost call did may take what is not there as not done.
            await asyncio.sleep(0)
            sweep(self._world)
            self._world.courier.wake()
        return {"now_ms": self._world.clock.now_ms()}

    async def dispute(self, request: web.Request) -> object:
        """`{charge | payment_intent | session_id, reason?, amount?}` → the dispute."""
        body = await _body(request)
        charge = self._disputed_charge(body)
        opened = disputes.open_dispute(
            self._world, charge, reason=str(body.get("reason", "fraudulent")), amount=body.get("amount")
        )
        return shown(opened)

    def _disputed_charge(self, body: Json) -> Json:
        if ident := body.get("charge"):
            return self._world.load("charge", ident)
        if session := body.get("session_id"):
            for charge in self._world.store.newest("charge"):
                if charge["metadata"].get("session_id") == session and charge["captured"]:
                    return charge
            raise Refused("no captured charge of this session")
        intent = self._world.load("payment_intent", str(body.get("payment_intent")))
        return self._world.load("charge", str(intent["latest_charge"]))

    async def close_dispute(self, request: web.Request) -> object:
        """`{dispute, outcome: won | lost}` → the dispute."""
        body = await _body(request)
        if body.get("outcome") not in ("won", "lost"):
            raise Refused("outcome is won or lost")
        dispute = self._world.load("dispute", str(body.get("dispute")))
        return shown(disputes.close_dispute(self._world, dispute, won=body["outcome"] == "won"))

    async def fail_refund(self, request: web.Request) -> object:
        """`{refund | session_id, reason?}`: the guest's bank sends a refund back, days later → the refund."""
        body = await _body(request)
        refund = self._made_refund(body)
        reason = str(body.get("reason", "expired_or_canceled_card"))
        return shown(refunds.fail(self._world, refund, reason=reason))

    def _made_refund(self, body: Json) -> Json:
        if ident := body.get("refund"):
            return self._world.load("refund", str(ident))
        for refund in self._world.store.newest("refund"):
            if (
                refund["metadata"].get("session_id") == body.get("session_id")
                and refund["status"] != "failed"
            ):
                return refund
        raise Refused("no refund of this session that could fail")

    async def deauthorize(self, request: web.Request) -> object:
        """`{account}`: its owner disconnects from the platform."""
        account = accounts.load(self._world, str((await _body(request)).get("account")))
        accounts.deauthorize(self._world, account)
        return {"id": account["id"]}

    async def capability(self, request: web.Request) -> object:
        """`{account, transfers: active | inactive | pending}` → the account."""
        body = await _body(request)
        if body.get("transfers") not in ("active", "inactive", "pending"):
            raise Refused("transfers is active, inactive or pending")
        account = accounts.load(self._world, str(body.get("account")))
        return shown(accounts.set_capability(self._world, account, "transfers", body["transfers"]))

    async def balance(self, request: web.Request) -> object:
        """`{currency, amount | available, account?}`: put money there, take it with a negative amount, or
        have exactly so much available. Without an account it is the platform's, which opens with 100,000.00.
        """
        body = await _body(request)
        source = {"id": new_id("tu"), "currency": str(body.get("currency", "usd"))}
        account, amount = body.get("account"), body.get("amount")
        if type(body.get("available")) is int:
            amount = body["available"] - balance.available(self._world, source["currency"], account)
        if type(amount) is not int:
            raise Refused("amount or available is a whole number of minor units")
        balance.record(self._world, source, amount, "topup", account=account)
        return {"available": balance.available(self._world, source["currency"], account)}

    async def notice(self, request: web.Request) -> object:
        """`{eventType, payload, …}`: an Agora notice to the hub → the notice."""
        return self._agora.notices.send(await _body(request))

    async def in_channel(self, request: web.Request) -> object:
        """`{channel, uid, event: joined | left, at_ms?}`: somebody comes into a channel, or leaves it."""
        return self._agora.in_channel(await _body(request))

    async def recordings(self, request: web.Request) -> object:
        """Agora's recordings and what became of them; query parameters must match."""
        wanted = dict(request.query)
        return [
            one
            for one in self._agora.recordings.all()
            if all(str(one.get(key)) == value for key, value in wanted.items())
        ]

    async def webhooks(self, request: web.Request) -> object:
        """What is still to be delivered, without bodies."""
        return [
            {key: d[key] for key in ("id", "vendor", "type", "url", "attempts", "due_ms")}
            for d in self._makers.store.all("delivery")
        ]

    async def resend(self, request: web.Request) -> object:
        """`{event}`: deliver a Stripe event once more, as the dashboard can."""
        event = self._world.load("event", str((await _body(request)).get("event")))
        self._world.resend(event)
        return {"id": event["id"]}

    async def objects(self, request: web.Request) -> object:
        """Stripe objects of a kind, newest first; every query parameter is a metadata key to match."""
        kind = _BY_SESSION.get(request.match_info["kind"])
        if kind is None:
            raise Refused(f"kinds are {', '.join(_BY_SESSION)}")
        wanted = dict(request.query)
        return [
            shown(thing)
            for thing in self._world.store.newest(kind)
            if all(thing.get("metadata", {}).get(key) == value for key, value in wanted.items())
        ]


async def _json(request: web.Request) -> object:
    try:
        return json.loads(await request.text() or "{}")
    except ValueError as error:
        raise Refused("the body is no JSON") from error


async def _body(request: web.Request) -> Json:
    body = await _json(request)
    if not isinstance(body, dict):
        raise Refused("the body is an object")
    return body
