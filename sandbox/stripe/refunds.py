"""Refunds."""

from sandbox.state import Json
from sandbox.stripe import balance
from sandbox.stripe.currencies import check_positive
from sandbox.stripe.errors import StripeError
from sandbox.stripe.lists import merge_metadata, page
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World

UNDECIDED = ("needs_response", "warning_needs_response", "under_review")


def create(world: World, params: Json) -> Json:
    """`POST /v1/refunds`."""
    charge = _charge_to_refund(world, params)
    left = charge["amount"] - charge["amount_refunded"] - _lost(world, charge)
    amount = params.get("amount", left)
    _check(world, params, charge, amount, left)
    refund = world.make(
        "re",
        {
            "amount": amount,
            "balance_transaction": None,
            "charge": charge["id"],
            "currency": charge["currency"],
            "failure_balance_transaction": None,
            "destination_details": {
                "card": {
                    "reference_status": "pending",
                    "reference_type": "acquirer_reference_number",
                    "type": "refund",
                },
                "type": "card",
            },
            "metadata": merge_metadata({}, params.get("metadata")),
            "payment_intent": charge["payment_intent"],
            "reason": params.get("reason"),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": "succeeded",
            "transfer_reversal": None,
        },
    )
    refund["balance_transaction"] = balance.record(world, refund, -amount, "refund")["id"]
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    world.emit("refund.created", world.save(refund))
    world.emit("charge.refunded", world.save(charge))
    return refund


def fail(world: World, refund: Json, *, reason: str = "expired_or_canceled_card") -> Json:
    """The guest's bank sends a refund back later: the money is on the platform's balance again.

    Raises `StripeError` when the refund has failed already.
    """
    if refund["status"] not in ("succeeded", "pending"):
        raise StripeError("Only a refund that was made can fail later.")
    entry = balance.record(world, refund, refund["amount"], "refund_failure")
    refund |= {
        "status": "failed",
        "failure_reason": reason,
        "failure_balance_transaction": entry["id"],
    }
    charge = world.load("charge", refund["charge"])
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    world.save(charge)
    world.emit("refund.failed", world.save(refund))
    world.emit("charge.refund.updated", refund)
    return refund


def _charge_to_refund(world: World, params: Json) -> Json:
    if ("charge" in params) == ("payment_intent" in params):
        raise StripeError("Name one of charge and payment_intent.", code="parameter_missing", param="charge")
    if ident := params.get("charge"):
        return world.load("charge", ident, "charge")
    intent = world.load("payment_intent", params["payment_intent"], "payment_intent")
    if intent["latest_charge"] is None:
        raise StripeError("This payment intent has no charge to refund.", param="payment_intent")
    return world.load("charge", intent["latest_charge"])


def _lost(world: World, charge: Json) -> int:
    """What banks have taken for good."""
    found = (d for d in world.store.all("dispute") if d["charge"] == charge["id"] and d["status"] == "lost")
    return sum(int(dispute["amount"]) for dispute in found)


def _is_disputed(world: World, charge: Json) -> bool:
    """Whether a bank is deciding, or has taken it all. What was won is the platform's to give back."""
    disputes = [d for d in world.store.all("dispute") if d["charge"] == charge["id"]]
    return any(
        d["status"] in UNDECIDED or d["amount"] >= charge["amount_captured"]
        for d in disputes
        if d["status"] != "won"
    )


def _check(world: World, params: Json, charge: Json, amount: int, left: int) -> None:
    if params.get("reverse_transfer") or params.get("refund_application_fee"):
        raise StripeError(
            "This charge made no transfer and no application fee of its own.", param="reverse_transfer"
        )
    if charge["disputed"] and _is_disputed(world, charge):
        raise StripeError("A disputed charge cannot be refunded.", code="charge_disputed", param="charge")
    if not charge["captured"]:
        raise StripeError(
            "An uncaptured hold is canceled, not refunded.", code="charge_not_captured", param="charge"
        )
    if left == 0:
        raise StripeError(
            "The charge has been refunded already.", code="charge_already_refunded", param="charge"
        )
    check_positive(amount, charge["currency"])
    if amount > left:
        raise StripeError(
            f"The refund of {amount} exceeds the {left} that is left of the charge.", param="amount"
        )


def retrieve(world: World, params: Json) -> Json:
    """`GET /v1/refunds/{id}`."""
    return world.load("refund", params["id"])


def update(world: World, params: Json) -> Json:
    """`POST /v1/refunds/{id}`."""
    refund = world.load("refund", params["id"])
    refund["metadata"] = merge_metadata(refund["metadata"], params.get("metadata"))
    world.emit("refund.updated", world.save(refund))
    return refund


def list_(world: World, params: Json) -> Json:
    """`GET /v1/refunds`."""
    wanted = {name: params[name] for name in ("charge", "payment_intent") if name in params}
    return page(world, "refund", params, "/v1/refunds", lambda r: all(r[n] == v for n, v in wanted.items()))


ROUTES = [
    Route("POST", "/v1/refunds", "RefundCreateParams", create),
    Route("GET", "/v1/refunds", "RefundListParams", list_),
    Route("GET", "/v1/refunds/{id}", "RefundRetrieveParams", retrieve),
    Route("POST", "/v1/refunds/{id}", "RefundUpdateParams", update),
]
