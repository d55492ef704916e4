"""Disputes: opened and decided from the control interface, answered through the API."""

from sandbox.state import Json
from sandbox.stripe import balance
from sandbox.stripe.errors import StripeError
from sandbox.stripe.lists import merge_metadata, page
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World

ANSWER_WITHIN_S = 9 * 86_400
FEE_MINOR = 1_500
OPEN = ("needs_response", "warning_needs_response", "under_review")


def open_dispute(
    world: World, charge: Json, *, reason: str = "fraudulent", amount: int | None = None
) -> Json:
    """The cardholder's bank takes the money back. Raises `StripeError` when the charge cannot be disputed."""
    if not charge["captured"] or not charge["paid"]:
        raise StripeError("Only a captured charge can be disputed.", code="charge_not_captured")
    if charge["disputed"]:
        raise StripeError("The charge is disputed already.", code="charge_disputed")
    taken = amount if amount is not None else charge["amount_captured"]
    dispute = world.make(
        "du",
        {
            "amount": taken,
            "balance_transactions": [],
            "charge": charge["id"],
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": {},
            "evidence_details": {
                "due_by": world.clock.now_s() + ANSWER_WITHIN_S,
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
                "enhanced_eligibility": {},
            },
            "is_charge_refundable": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "status": "needs_response",
        },
    )
    entry = balance.record(world, {**dispute}, -taken, "adjustment", fee=FEE_MINOR)
    dispute["balance_transactions"] = [entry]
    charge["disputed"] = True
    world.save(charge)
    world.emit("charge.dispute.created", world.save(dispute))
    world.emit("charge.dispute.funds_withdrawn", dispute)
    return dispute


def close_dispute(world: World, dispute: Json, *, won: bool) -> Json:
    """The bank decides; winning brings the money back, never the fee."""
    if dispute["status"] not in OPEN:
        raise StripeError("The dispute is decided already.")
    dispute["status"] = "won" if won else "lost"
    if won:
        entry = balance.record(world, dispute, dispute["amount"], "adjustment")
        dispute["balance_transactions"].append(entry)
        world.emit("charge.dispute.funds_reinstated", dispute)
    world.emit("charge.dispute.closed", world.save(dispute))
    return dispute


def retrieve(world: World, params: Json) -> Json:
    """`GET /v1/disputes/{id}`."""
    return world.load("dispute", params["id"])


def update(world: World, params: Json) -> Json:
    """`POST /v1/disputes/{id}`."""
    dispute = world.load("dispute", params["id"])
    if dispute["status"] not in OPEN:
        raise StripeError("A decided dispute takes no evidence.")
    evidence = {k: v for k, v in (params.get("evidence") or {}).items() if v not in ("", None)}
    dispute["evidence"] |= evidence
    dispute["metadata"] = merge_metadata(dispute["metadata"], params.get("metadata"))
    if evidence:
        dispute["evidence_details"]["has_evidence"] = True
        if params.get("submit", True):
            dispute["evidence_details"]["submission_count"] += 1
            dispute["status"] = "under_review"
    world.emit("charge.dispute.updated", world.save(dispute))
    return dispute


def close(world: World, params: Json) -> Json:
    """Accepting a dispute is losing it."""
    return close_dispute(world, world.load("dispute", params["id"]), won=False)


def list_(world: World, params: Json) -> Json:
    """`GET /v1/disputes`."""
    wanted = {name: params[name] for name in ("charge", "payment_intent") if name in params}
    return page(world, "dispute", params, "/v1/disputes", lambda d: all(d[n] == v for n, v in wanted.items()))


ROUTES = [
    Route("GET", "/v1/disputes", "DisputeListParams", list_),
    Route("GET", "/v1/disputes/{id}", "DisputeRetrieveParams", retrieve),
    Route("POST", "/v1/disputes/{id}", "DisputeUpdateParams", update),
    Route("POST", "/v1/disputes/{id}/close", "DisputeCloseParams", close),
]
