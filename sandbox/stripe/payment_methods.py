"""Payment methods: cards, attached to customers or not yet."""

from sandbox.state import Json
from sandbox.stripe import cards
from sandbox.stripe.cards import Card
from sandbox.stripe.errors import StripeError, missing
from sandbox.stripe.lists import merge_metadata, page
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World, shown


def new_method(world: World, card: Card, billing: Json | None = None, metadata: Json | None = None) -> Json:
    """A payment method for a test card, not attached to anybody yet."""
    details = {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": card.fingerprint,
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    empty = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}
    return world.make(
        "pm",
        {
            "allow_redisplay": "unspecified",
            "billing_details": {**empty, **(billing or {})},
            "card": details,
            "customer": None,
            "metadata": metadata or {},
            "type": "card",
            "_number": card.number,
            "_set_up": False,
        },
    )


def resolve_method(world: World, ident: str, param: str = "payment_method") -> Json:
    """A stored payment method, or a fresh one when a test name such as `pm_card_visa` is given."""
    if ident.startswith(("pm_card_", "tok_")):
        card = cards.by_name(ident)
        if card is None:
            raise missing("PaymentMethod", ident, param)
        return new_method(world, card)
    method = world.load("payment_method", ident, param)
    if method.get("_spent"):
        raise StripeError("This payment method was detached and may not be used again.", param=param)
    return method


def card_of(method: Json) -> Card:
    """The test card behind a payment method."""
    card = cards.by_number(method["_number"])
    if card is None:
        raise StripeError("This payment method is no test card.", param="payment_method")
    return card


def create_method(world: World, params: Json) -> Json:
    """`POST /v1/payment_methods`."""
    if params.get("type", "card") != "card":
        raise StripeError("The sandbox knows cards only.", param="type")
    given = params.get("card")
    if not given:
        raise StripeError("Missing required param: card.", code="parameter_missing", param="card")
    token, number = given.get("token"), given.get("number")
    card = cards.by_name(token) if token else cards.by_number(number or "")
    if card is None:
        raise StripeError(
            "Your card number is incorrect.",
            status=402,
            kind="card_error",
            code="incorrect_number",
            param="number",
        )
    return new_method(world, card, params.get("billing_details"), params.get("metadata") or {})


def attach(world: World, params: Json) -> Json:
    """`POST /v1/payment_methods/{id}/attach`."""
    if "customer" not in params:
        raise StripeError("Missing required param: customer.", code="parameter_missing", param="customer")
    world.load("customer", params["customer"], "customer")
    method = resolve_method(world, params["id"], "id")
    card = card_of(method)
    if card.attach_fails and card.decline:
        raise StripeError(
            "Your card was declined.",
            status=402,
            kind="card_error",
            code=card.decline[0],
            decline_code=card.decline[1],
        )
    if method["customer"] not in (None, params["customer"]):
        raise StripeError("The payment method is attached to a customer already.", param="customer")
    method["customer"] = params["customer"]
    world.emit("payment_method.attached", world.save(method))
    return method


def detach(world: World, params: Json) -> Json:
    """`POST /v1/payment_methods/{id}/detach`."""
    method = world.load("payment_method", params["id"])
    if method["customer"] is None:
        raise StripeError("The payment method is not attached to a customer.")
    before = {"customer": method["customer"]}
    method |= {"customer": None, "_spent": True}
    world.emit("payment_method.detached", world.save(method), before=before)
    return method


def update_method(world: World, params: Json) -> Json:
    """`POST /v1/payment_methods/{id}`."""
    method = world.load("payment_method", params["id"])
    method["metadata"] = merge_metadata(method["metadata"], params.get("metadata"))
    method["billing_details"] |= params.get("billing_details") or {}
    world.emit("payment_method.updated", world.save(method))
    return method


def list_methods(world: World, params: Json) -> Json:
    """`GET /v1/payment_methods`."""
    wanted = params.get("customer")
    if wanted is not None:
        world.load("customer", wanted, "customer")
    kind = params.get("type", "card")
    return page(
        world,
        "payment_method",
        params,
        "/v1/payment_methods",
        lambda m: m["customer"] is not None and m["customer"] == wanted and m["type"] == kind,
    )


def list_customers_methods(world: World, params: Json) -> Json:
    """`GET /v1/customers/{id}/payment_methods`."""
    world.load("customer", params["id"])
    url = f"/v1/customers/{params['id']}/payment_methods"
    return page(world, "payment_method", params, url, lambda m: m["customer"] == params["id"])


def retrieve_customers_method(world: World, params: Json) -> Json:
    """`GET /v1/customers/{id}/payment_methods/{method}`."""
    method = world.load("payment_method", params["method"])
    if method["customer"] != params["id"]:
        raise missing("PaymentMethod", params["method"])
    return shown(method)


def retrieve_method(world: World, params: Json) -> Json:
    """`GET /v1/payment_methods/{id}`."""
    return world.load("payment_method", params["id"])


ROUTES = [
    Route(
        "GET", "/v1/customers/{id}/payment_methods", "CustomerPaymentMethodListParams", list_customers_methods
    ),
    Route(
        "GET",
        "/v1/customers/{id}/payment_methods/{method}",
        "CustomerPaymentMethodRetrieveParams",
        retrieve_customers_method,
    ),
    Route("POST", "/v1/payment_methods", "PaymentMethodCreateParams", create_method),
    Route("GET", "/v1/payment_methods", "PaymentMethodListParams", list_methods),
    Route("GET", "/v1/payment_methods/{id}", "PaymentMethodRetrieveParams", retrieve_method),
    Route("POST", "/v1/payment_methods/{id}", "PaymentMethodUpdateParams", update_method),
    Route("POST", "/v1/payment_methods/{id}/attach", "PaymentMethodAttachParams", attach),
    Route("POST", "/v1/payment_methods/{id}/detach", "PaymentMethodDetachParams", detach),
]
