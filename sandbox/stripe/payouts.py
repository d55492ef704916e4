"""Payouts, from the platform's balance or a connected account's."""

from sandbox.state import Json
from sandbox.stripe import accounts, balance
from sandbox.stripe.currencies import check_positive, known
from sandbox.stripe.errors import StripeError, missing
from sandbox.stripe.lists import merge_metadata, page
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World


def create(world: World, params: Json) -> Json:
    """`POST /v1/payouts`."""
    currency, amount = known(params["currency"]), params["amount"]
    check_positive(amount, currency)
    if world.account is not None and not accounts.load(world, world.account)["payouts_enabled"]:
        raise StripeError("Payouts are not enabled for this account.", code="payouts_not_allowed")
    if balance.available(world, currency, world.account) < amount:
        raise StripeError(
            "The available balance does not cover this payout.", code="balance_insufficient", param="amount"
        )
    payout = world.make(
        "po",
        {
            "amount": amount,
            "arrival_date": world.clock.now_s() + 86_400,
            "automatic": False,
            "balance_transaction": None,
            "currency": currency,
            "description": params.get("description"),
            "destination": "ba_sandbox",
            "failure_code": None,
            "failure_message": None,
            "metadata": merge_metadata({}, params.get("metadata")),
            "method": params.get("method", "standard"),
            "source_type": "card",
            "statement_descriptor": None,
            "status": "pending",
            "type": "bank_account",
            "_account": world.account,
        },
    )
    entry = balance.record(world, payout, -amount, "payout", account=world.account)
    payout["balance_transaction"] = entry["id"]
    world.emit("payout.created", world.save(payout), account=world.account)
    return payout


def pay_due(world: World) -> int:
    """Payouts whose day has come arrive; returns how many."""
    due = [
        p
        for p in world.store.all("payout")
        if p["status"] == "pending" and p["arrival_date"] <= world.clock.now_s()
    ]
    for payout in due:
        payout["status"] = "paid"
        world.emit("payout.paid", world.save(payout), account=payout["_account"])
    return len(due)


def retrieve(world: World, params: Json) -> Json:
    """`GET /v1/payouts/{id}`."""
    payout = world.load("payout", params["id"])
    if payout["_account"] != world.account:
        raise missing("payout", params["id"])
    return payout


def list_(world: World, params: Json) -> Json:
    """`GET /v1/payouts`."""
    status = params.get("status")
    return page(
        world,
        "payout",
        params,
        "/v1/payouts",
        lambda p: p["_account"] == world.account and status in (None, p["status"]),
    )


ROUTES = [
    Route("POST", "/v1/payouts", "PayoutCreateParams", create),
    Route("GET", "/v1/payouts", "PayoutListParams", list_),
    Route("GET", "/v1/payouts/{id}", "PayoutRetrieveParams", retrieve),
]
