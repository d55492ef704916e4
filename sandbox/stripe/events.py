"""Events, as the reconciler lists them, and how their webhooks are signed."""

import hashlib
import hmac
from collections.abc import Callable, Mapping

from sandbox.state import Json
from sandbox.stripe.lists import page
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World


def signer(world: World, secret: str) -> Callable[[Json], Mapping[str, str]]:
    """Signs a delivery with `Stripe-Signature: t=…,v1=…`; `t` is real time, which the receiver compares."""

    def sign(delivery: Json) -> Mapping[str, str]:
        at_s = world.clock.wall_s()
        signed = f"{at_s}.{delivery['body']}".encode()
        digest = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
        return {"Stripe-Signature": f"t={at_s},v1={digest}", "User-Agent": "Stripe/1.0"}

    return sign


def retrieve(world: World, params: Json) -> Json:
    """`GET /v1/events/{id}`."""
    return world.load("event", params["id"])


def list_(world: World, params: Json) -> Json:
    """`GET /v1/events`."""
    waiting = (*world.store.all("delivery"), *world.store.all("undelivered"))
    undelivered = {d["event"] for d in waiting if d.get("event")}

    def where(event: Json) -> bool:
        kinds = params.get("types") or ([params["type"]] if "type" in params else None)
        delivered = event["id"] not in undelivered
        return (
            event.get("account") == world.account
            and (kinds is None or any(_matches(event["type"], kind) for kind in kinds))
            and params.get("delivery_success", delivered) == delivered
        )

    return page(world, "event", params, "/v1/events", where)


def _matches(kind: str, wanted: str) -> bool:
    return kind.startswith(wanted[:-1]) if wanted.endswith("*") else kind == wanted


ROUTES = [
    Route("GET", "/v1/events", "EventListParams", list_),
    Route("GET", "/v1/events/{id}", "EventRetrieveParams", retrieve),
]
