"""Customers."""

from sandbox.state import Json
from sandbox.stripe.errors import StripeError, missing
from sandbox.stripe.lists import merge_metadata, page, search
from sandbox.stripe.payment_methods import attach
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World, new_id

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
    """`POST /v1/customers`."""
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
    """`GET /v1/customers/{id}`."""
    customer = world.store.get("customer", params["id"])
    if customer is None and world.store.get("deleted", params["id"]):
        return {"id": params["id"], "object": "customer", "deleted": True}
    if customer is None:
        raise missing("customer", params["id"])
    return customer


def update(world: World, params: Json) -> Json:
    """`POST /v1/customers/{id}`."""
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
    """`DELETE /v1/customers/{id}`."""
    customer = world.load("customer", params["id"])
    for method in [m for m in world.store.all("payment_method") if m["customer"] == customer["id"]]:
        world.save(method | {"customer": None, "_spent": True})
    world.store.delete("customer", customer["id"])
    world.store.put("deleted", customer["id"], {"id": customer["id"]})
    world.emit("customer.deleted", customer)
    return {"id": customer["id"], "object": "customer", "deleted": True}


def list_(world: World, params: Json) -> Json:
    """`GET /v1/customers`."""
    email = params.get("email")
    return page(world, "customer", params, "/v1/customers", lambda c: email is None or c["email"] == email)


def search_(world: World, params: Json) -> Json:
    """`GET /v1/customers/search`."""
    return search(world, "customer", params, "/v1/customers/search")


ROUTES = [
    Route("POST", "/v1/customers", "CustomerCreateParams", create),
    Route("GET", "/v1/customers", "CustomerListParams", list_),
    Route("GET", "/v1/customers/search", "CustomerSearchParams", search_),
    Route("GET", "/v1/customers/{id}", "CustomerRetrieveParams", retrieve),
    Route("POST", "/v1/customers/{id}", "CustomerUpdateParams", update),
    Route("DELETE", "/v1/customers/{id}", "CustomerDeleteParams", delete),
]
