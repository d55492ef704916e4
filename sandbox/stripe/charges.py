"""Charges: what they look like, what a hold gives back, and their endpoints."""

from sandbox.state import Json
from sandbox.stripe.errors import StripeError
from sandbox.stripe.lists import merge_metadata, page, search
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World


def new_charge(world: World, intent: Json, method: Json, outcome: Json) -> Json:
    """The charge of one attempt; `outcome` overrides what an approved one would say."""
    card = {
        **method["card"],
        "amount_authorized": intent["amount"],
        "authorization_code": "123456",
        "capture_before": None,
        "installments": None,
        "mandate": None,
        "network": method["card"]["brand"],
        "three_d_secure": None,
    }
    approved = {
        "network_status": "approved_by_network",
        "reason": None,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "Payment complete.",
        "type": "authorized",
    }
    copied = (
        "amount",
        "currency",
        "customer",
        "description",
        "metadata",
        "on_behalf_of",
        "receipt_email",
        "shipping",
        "statement_descriptor",
        "statement_descriptor_suffix",
        "transfer_group",
    )
    return world.make(
        "ch",
        {
            "amount_captured": 0,
            "amount_refunded": 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": method["billing_details"],
            "calculated_statement_descriptor": "SANDBOX",
            "disputed": False,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "fraud_details": {},
            "outcome": approved,
            "payment_intent": intent["id"],
            "payment_method": method["id"],
            "payment_method_details": {"card": card, "type": "card"},
            "receipt_number": None,
            "receipt_url": None,
            "refunded": False,
            "review": None,
            "source": None,
            "source_transfer": None,
            "transfer_data": None,
            "_number": method["_number"],
            **{name: intent[name] for name in copied},
            **outcome,
        },
    )


def release(world: World, charge: Json, amount: int) -> None:
    """Give back the part of a hold that was not captured; Stripe shows it as a refund of the charge."""
    if amount == 0:
        return
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    world.make(
        "re",
        {
            "amount": amount,
            "balance_transaction": None,
            "charge": charge["id"],
            "currency": charge["currency"],
            "destination_details": {"card": {"type": "reversal"}, "type": "card"},
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "reason": None,
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "succeeded",
            "transfer_reversal": None,
        },
    )


def retrieve(world: World, params: Json) -> Json:
    """`GET /v1/charges/{id}`."""
    return world.load("charge", params["id"])


def update(world: World, params: Json) -> Json:
    """`POST /v1/charges/{id}`."""
    charge = world.load("charge", params["id"])
    charge["metadata"] = merge_metadata(charge["metadata"], params.get("metadata"))
    group = params.get("transfer_group", charge["transfer_group"])
    if charge["transfer_group"] not in (None, group):
        raise StripeError("A charge's transfer_group cannot be changed.", param="transfer_group")
    charge |= {
        "transfer_group": group,
        "description": params.get("description", charge["description"]) or None,
    }
    world.emit("charge.updated", world.save(charge))
    return charge


def list_(world: World, params: Json) -> Json:
    """`GET /v1/charges`."""
    wanted = {n: params[n] for n in ("customer", "payment_intent", "transfer_group") if n in params}
    return page(world, "charge", params, "/v1/charges", lambda c: all(c[n] == v for n, v in wanted.items()))


def search_(world: World, params: Json) -> Json:
    """`GET /v1/charges/search`."""
    return search(world, "charge", params, "/v1/charges/search")


ROUTES = [
    Route("GET", "/v1/charges", "ChargeListParams", list_),
    Route("GET", "/v1/charges/search", "ChargeSearchParams", search_),
    Route("GET", "/v1/charges/{id}", "ChargeRetrieveParams", retrieve),
    Route("POST", "/v1/charges/{id}", "ChargeUpdateParams", update),
]
