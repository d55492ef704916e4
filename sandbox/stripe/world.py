"""What every Stripe handler works on: objects, ids, time, and the events it leaves behind."""

import json
import secrets
import string
from dataclasses import dataclass, field

import stripe

from sandbox.clock import Clock
from sandbox.courier import Courier
from sandbox.faults import Faults
from sandbox.settings import SandboxConfig
from sandbox.state import Json, Store
from sandbox.stripe.errors import missing

EVENTS_MAX = 20_000
_ALPHABET = string.ascii_letters + string.digits
KINDS = {
    "acct": "account",
    "ch": "charge",
    "cs": "checkout.session",
    "cus": "customer",
    "du": "dispute",
    "evt": "event",
    "pi": "payment_intent",
    "pm": "payment_method",
    "po": "payout",
    "re": "refund",
    "seti": "setup_intent",
    "tr": "transfer",
    "trr": "transfer_reversal",
    "txn": "balance_transaction",
}


def new_id(prefix: str) -> str:
    """A random id with this prefix, shaped as Stripe makes them."""
    return f"{prefix}_" + "".join(secrets.choice(_ALPHABET) for _ in range(24))


def shown(thing: Json) -> Json:
    """An object as the API shows it: keys with a leading underscore are the sandbox's own."""
    return {key: value for key, value in thing.items() if not key.startswith("_")}


@dataclass(slots=True)
class World:
    """The state of one Stripe platform. Handlers are synchronous, so each request is atomic."""

    config: SandboxConfig
    store: Store
    clock: Clock
    courier: Courier
    faults: Faults
    request_id: str | None = None
    idempotency_key: str | None = None
    account: str | None = None
    silent: bool = field(default=False)

    @property
    def pages(self) -> str:
        """Where hosted pages live."""
        return f"{self.config.base_url}/stripe"

    def load(self, kind: str, ident: str, param: str = "id") -> Json:
        """The stored object. Raises `StripeError` `resource_missing`."""
        found = self.store.get(kind, ident)
        if found is None:
            raise missing(kind.replace("checkout.", "").replace("_", " "), ident, param)
        return found

    def find(self, ident: str) -> Json | None:
        """An object of any kind, by the prefix of its id."""
        kind = KINDS.get(ident.partition("_")[0])
        return self.store.get(kind, ident) if kind else None

    def save(self, thing: Json) -> Json:
        """Write an object back."""
        return self.store.put(thing["object"], thing["id"], thing)

    def make(self, prefix: str, fields: Json) -> Json:
        """A new saved object with the fields that all of them share."""
        base = {
            "id": new_id(prefix),
            "object": KINDS[prefix],
            "created": self.clock.now_s(),
            "livemode": False,
        }
        return self.save({**base, **fields})

    def emit(self, kind: str, thing: Json, *, account: str | None = None, before: Json | None = None) -> None:
        """Record an event with a snapshot of `thing` and queue its webhook; `account` makes it Connect's."""
        if self.silent:
            return
        data: Json = {"object": json.loads(json.dumps(shown(thing)))}
        if before:
            data["previous_attributes"] = before
        request = {"id": self.request_id, "idempotency_key": self.idempotency_key}
        event: Json = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": stripe.api_version,
            "created": self.clock.now_s(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 1,
            "request": request,
            "type": kind,
        }
        if account:
            event["account"] = account
        self.save(event)
        while self.store.count("event") > EVENTS_MAX:
            self.store.delete("event", self.store.oldest_id("event") or "")
        self.resend(event)

    def resend(self, event: Json) -> None:
        """Queue the webhook of an event, be it the first or once more."""
        self._post(event, "stripe-connect" if event.get("account") else "stripe")

    def _post(self, event: Json, endpoint: str) -> None:
        self.courier.send(
            vendor="stripe",
            kind=event["type"],
            url=f"{self.config.public_url}/webhooks/{endpoint}",
            body=json.dumps(event, indent=2),
            content_type="application/json; charset=utf-8",
            extra={"signer": endpoint, "event": event["id"]},
        )
