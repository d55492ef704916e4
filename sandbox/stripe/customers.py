"""Customers and the payment methods attached to them."""

from sandbox.state import Json
from sandbox.stripe import cards
from sandbox.stripe.cards import Card
from sandbox.stripe.errors import StripeError, missing
from sandbox.stripe.lists import merge_metadata, page, search
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World, new_id, shown

_PLAIN = (
    "address",
    "description",
    "email",
    "name",
    "phone",
    "preferred_locales",
    "shipping",
    "tax_exempt",
    "business_name",
    "individual_name",
)


def create(world: World, params: Json) -> Json:
    known = {name: params[name] or None for name in _PLAIN if name in params}
    settings = {
        "default_payment_method": None,
        "custom_fields": None,
        "footer": None,
        "rendering_options": None,
    }
    customer = world.make(
        "cus",
        {
            "address": None,
            "balance": 0,
            "currency": None,
            "default_source": None,
            "delinquent": False,
            "description": None,
            "discount": None,
            "email": None,
            "invoice_prefix": new_id("x")[2:10].upper(),
            "invoice_settings": settings,
            "metadata": merge_metadata({}, params.get("metadata")),
            "name": None,
            "next_invoice_sequence": 1,
            "phone": None,
            "preferred_locales": [],
            "shipping": None,
            "tax_exempt": "none",
            "test_clock": None,
            **known,
        },
    )
    if method := params.get("payment_method"):
        attach(world, {"id": method, "customer": customer["id"]})
    _set_default(world, customer, params)
    world.emit("customer.created", customer)
    return customer


def retrieve(world: World, params: Json) -> Json:
    customer = world.store.get("customer", params["id"])
    if customer is None and world.store.get("deleted", params["id"]):
        return {"id": params["id"], "object": "customer", "deleted": True}
    if customer is None:
        raise missing("customer", params["id"])
    return customer


def update(world: World, params: Json) -> Json:
    customer = world.load("customer", params["id"])
    before = {
        name: customer[name] for name in _PLAIN if name in params and customer.get(name) != params[name]
    }
    customer |= {name: params[name] or None for name in _PLAIN if name in params}
    customer["metadata"] = merge_metadata(customer["metadata"], params.get("metadata"))
    _set_default(world, customer, params)
    world.emit("customer.updated", world.save(customer), before=before)
    return customer


def _set_default(world: World, customer: Json, params: Json) -> None:
    settings = params.get("invoice_settings") or {}
    if "default_payment_method" not in settings:
        return
    ident = settings["default_payment_method"] or None
    if (
        ident is not None
        and world.load("payment_method", ident, "invoice_settings[default_payment_method]")["customer"]
        != customer["id"]
    ):
        raise StripeError(
            "The payment method is not attached to this customer.",
            param="invoice_settings[default_payment_method]",
        )
    customer["invoice_settings"]["default_payment_method"] = ident
    world.save(customer)


def delete(world: World, params: Json) -> Json:
    customer = world.load("customer", params["id"])
    for method in [m for m in world.store.all("payment_method") if m["customer"] == customer["id"]]:
        world.save(method | {"customer": None, "_spent": True})
    world.store.delete("customer", customer["id"])
    world.store.put("deleted", customer["id"], {"id": customer["id"]})
    world.emit("customer.deleted", customer)
    return {"id": customer["id"], "object": "customer", "deleted": True}


def list_(world: World, params: Json) -> Json:
    email = params.get("email")
    return page(world, "customer", params, "/v1/customers", lambda c: email is None or c["email"] == email)


def search_(world: World, params: Json) -> Json:
    return search(world, "customer", params, "/v1/customers/search")


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
    card = cards.by_number(method["_number"])
    if card is None:
        raise StripeError("This payment method is no test card.", param="payment_method")
    return card


def create_method(world: World, params: Json) -> Json:
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
    method = world.load("payment_method", params["id"])
    if method["customer"] is None:
        raise StripeError("The payment method is not attached to a customer.")
    before = {"customer": method["customer"]}
    method |= {"customer": None, "_spent": True}
    world.emit("payment_method.detached", world.save(method), before=before)
    return method


def update_method(world: World, params: Json) -> Json:
    method = world.load("payment_method", params["id"])
    method["metadata"] = merge_metadata(method["metadata"], params.get("metadata"))
    method["billing_details"] |= params.get("billing_details") or {}
    world.emit("payment_method.updated", world.save(method))
    return method


def list_methods(world: World, params: Json) -> Json:
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
    world.load("customer", params["id"])
    url = f"/v1/customers/{params['id']}/payment_methods"
    return page(world, "payment_method", params, url, lambda m: m["customer"] == params["id"])


def retrieve_customers_method(world: World, params: Json) -> Json:
    method = world.load("payment_method", params["method"])
    if method["customer"] != params["id"]:
        raise missing("PaymentMethod", params["method"])
    return shown(method)


def retrieve_method(world: World, params: Json) -> Json:
    return world.load("payment_method", params["id"])


ROUTES = [
    Route("POST", "/v1/customers", "CustomerCreateParams", create),
    Route("GET", "/v1/customers", "CustomerListParams", list_),
    Route("GET", "/v1/customers/search", "CustomerSearchParams", search_),
    Route("GET", "/v1/customers/{id}", "CustomerRetrieveParams", retrieve),
    Route("POST", "/v1/customers/{id}", "CustomerUpdateParams", update),
    Route("DELETE", "/v1/customers/{id}", "CustomerDeleteParams", delete),
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
