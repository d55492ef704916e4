"""Setup intents: saving a card for later."""

from sandbox.state import Json
from sandbox.stripe.errors import StripeError, unexpected_state
from sandbox.stripe.lists import merge_metadata, page
from sandbox.stripe.payment_methods import attach, card_of, resolve_method
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World, new_id, shown

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")


def create(world: World, params: Json) -> Json:
    """`POST /v1/setup_intents`."""
    if customer := params.get("customer"):
        world.load("customer", customer, "customer")
    intent = world.make(
        "seti",
        {
            "allowed_payment_method_types": params.get("allowed_payment_method_types"),
            "application": None,
            "attach_to_self": False,
            "automatic_payment_methods": None,
            "cancellation_reason": None,
            "client_secret": None,
            "customer": params.get("customer"),
            "description": params.get("description"),
            "flow_directions": None,
            "last_setup_error": None,
            "latest_attempt": None,
            "mandate": None,
            "metadata": merge_metadata({}, params.get("metadata")),
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "single_use_mandate": None,
            "status": "requires_payment_method",
            "usage": params.get("usage", "off_session"),
            "_return_url": None,
        },
    )
    intent["client_secret"] = f"{intent['id']}_secret_{new_id('s')[2:]}"
    if ident := params.get("payment_method"):
        intent |= {"payment_method": resolve_method(world, ident)["id"], "status": "requires_confirmation"}
    world.emit("setup_intent.created", world.save(intent))
    return _confirm(world, intent, params) if params.get("confirm") else intent


def confirm(world: World, params: Json) -> Json:
    """`POST /v1/setup_intents/{id}/confirm`."""
    intent = world.load("setup_intent", params["id"])
    if intent["status"] not in OPEN:
        raise unexpected_state("confirmed", intent, OPEN)
    if ident := params.get("payment_method"):
        intent["payment_method"] = resolve_method(world, ident)["id"]
    return _confirm(world, intent, params)


def _confirm(world: World, intent: Json, params: Json) -> Json:
    if intent["payment_method"] is None:
        raise StripeError(
            "A setup intent without a payment method cannot be confirmed.",
            code="setup_intent_unexpected_state",
            setup_intent=intent,
        )
    method = world.load("payment_method", intent["payment_method"], "payment_method")
    intent["_return_url"] = params.get("return_url")
    return submit(world, intent, method)


def submit(world: World, intent: Json, method: Json) -> Json:
    """Verify a card with its bank: succeeds, asks for 3-D Secure, or raises the 402 of a refusal."""
    card = card_of(method)
    if card.attach_fails and card.decline:
        raise _fail(world, intent, method, *card.decline)
    intent["payment_method"] = method["id"]
    if card.authentication != "never":
        url = f"{world.pages}/3ds/{intent['id']}"
        intent |= {
            "status": "requires_action",
            "next_action": {
                "type": "redirect_to_url",
                "redirect_to_url": {"return_url": intent["_return_url"], "url": url},
            },
        }
        world.emit("setup_intent.requires_action", world.save(intent))
        return intent
    return _succeed(world, intent, method)


def authenticated(world: World, intent: Json, *, approved: bool) -> None:
    """The customer answered on the hosted 3-D Secure page."""
    method = world.load("payment_method", intent["payment_method"], "payment_method")
    intent["next_action"] = None
    if approved:
        _succeed(world, intent, method)
    else:
        _fail(world, intent, method, "setup_intent_authentication_failure", None)


def _succeed(world: World, intent: Json, method: Json) -> Json:
    world.save(method | {"_set_up": True})
    method["_set_up"] = True
    if intent["customer"] and method["customer"] is None:
        attach(world, {"id": method["id"], "customer": intent["customer"]})
    intent |= {"status": "succeeded", "next_action": None, "last_setup_error": None}
    world.emit("setup_intent.succeeded", world.save(intent))
    return intent


def _fail(world: World, intent: Json, method: Json, code: str, decline_code: str | None) -> StripeError:
    message = f"The card could not be set up ({decline_code or code})."
    told = {"type": "card_error", "code": code, "message": message, "payment_method": shown(method)}
    told |= {"decline_code": decline_code} if decline_code else {}
    intent |= {"status": "requires_payment_method", "payment_method": None, "last_setup_error": told}
    world.emit("setup_intent.setup_failed", world.save(intent))
    return StripeError(
        message, status=402, kind="card_error", code=code, decline_code=decline_code, setup_intent=intent
    )


def cancel(world: World, params: Json) -> Json:
    """`POST /v1/setup_intents/{id}/cancel`."""
    intent = world.load("setup_intent", params["id"])
    if intent["status"] not in OPEN:
        raise unexpected_state("canceled", intent, OPEN)
    intent |= {"status": "canceled", "cancellation_reason": params.get("cancellation_reason")}
    world.emit("setup_intent.canceled", world.save(intent))
    return intent


def retrieve(world: World, params: Json) -> Json:
    """`GET /v1/setup_intents/{id}`."""
    return world.load("setup_intent", params["id"])


def list_(world: World, params: Json) -> Json:
    """`GET /v1/setup_intents`."""
    wanted = {name: params[name] for name in ("customer", "payment_method") if name in params}
    return page(
        world,
        "setup_intent",
        params,
        "/v1/setup_intents",
        lambda s: all(s[n] == v for n, v in wanted.items()),
    )


ROUTES = [
    Route("POST", "/v1/setup_intents", "SetupIntentCreateParams", create),
    Route("GET", "/v1/setup_intents", "SetupIntentListParams", list_),
    Route("GET", "/v1/setup_intents/{id}", "SetupIntentRetrieveParams", retrieve),
    Route("POST", "/v1/setup_intents/{id}/confirm", "SetupIntentConfirmParams", confirm),
    Route("POST", "/v1/setup_intents/{id}/cancel", "SetupIntentCancelParams", cancel),
]
