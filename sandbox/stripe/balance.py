"""Balance transactions: what each movement left on the platform's balance."""

from sandbox.state import Json
from sandbox.stripe.errors import StripeError
from sandbox.stripe.lists import page
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World

AVAILABLE_AFTER_S = 2 * 86_400
FEE_PER_MILLE, FEE_FIXED_MINOR = 29, 30
# A platform in operation has money of its own, so that promotions can be transferred from the first day.
OPENING_MINOR = 10_000_000


def record(
    world: World,
    source: Json,
    amount: int,
    kind: str,
    *,
    fee: int = 0,
    available_on: int | None = None,
    account: str | None = None,
) -> Json:
    """One movement in minor units, negative when money leaves; `account` is None for the platform."""
    now_s = world.clock.now_s()
    when = now_s if available_on is None else available_on
    details = (
        [
            {
                "amount": fee,
                "application": None,
                "currency": source["currency"],
                "description": "Processing fees",
                "type": "stripe_fee",
            }
        ]
        if fee
        else []
    )
    return world.make(
        "txn",
        {
            "amount": amount,
            "available_on": when,
            "balance_type": "payments",
            "currency": source["currency"],
            "description": None,
            "exchange_rate": None,
            "fee": fee,
            "fee_details": details,
            "net": amount - fee,
            "reporting_category": kind.replace("payment", "charge"),
            "source": source["id"],
            "status": "available" if when <= now_s else "pending",
            "type": kind,
            "_account": account,
        },
    )


def record_charge(world: World, charge: Json, *, at_once: bool) -> Json:
    """The capture of a charge, less Stripe's fee; available after two days, or at once."""
    amount = charge["amount_captured"]
    fee = (amount * FEE_PER_MILLE + 500) // 1000 + FEE_FIXED_MINOR
    available_on = world.clock.now_s() + (0 if at_once else AVAILABLE_AFTER_S)
    return record(world, charge, amount, "charge", fee=fee, available_on=available_on)


def available(world: World, currency: str, account: str | None = None) -> int:
    """Minor units that can leave now."""
    opening = OPENING_MINOR if account is None else 0
    moved: int = sum(
        entry["net"]
        for entry in world.store.all("balance_transaction")
        if entry["currency"] == currency
        and entry["_account"] == account
        and (entry["available_on"] <= world.clock.now_s() or entry["net"] < 0)
    )
    return opening + moved


def pending(world: World, currency: str, account: str | None = None) -> int:
    """Minor units that are on their way in."""
    return sum(
        entry["net"]
        for entry in world.store.all("balance_transaction")
        if entry["currency"] == currency
        and entry["_account"] == account
        and entry["available_on"] > world.clock.now_s()
        and entry["net"] > 0
    )


def retrieve_balance(world: World, params: Json) -> Json:
    """`GET /v1/balance`."""
    used = {e["currency"] for e in world.store.all("balance_transaction") if e["_account"] == world.account}
    currencies = sorted(used | {"usd"})
    return {
        "object": "balance",
        "livemode": False,
        "available": [_amount(available(world, c, world.account), c) for c in currencies],
        "pending": [_amount(pending(world, c, world.account), c) for c in currencies],
    }


def _amount(amount: int, currency: str) -> Json:
    return {"amount": amount, "currency": currency, "source_types": {"card": amount}}


def _fresh(world: World, entry: Json) -> Json:
    if entry["status"] == "pending" and entry["available_on"] <= world.clock.now_s():
        entry["status"] = "available"
        world.save(entry)
    return entry


def retrieve(world: World, params: Json) -> Json:
    """`GET /v1/balance_transactions/{id}`."""
    return _fresh(world, world.load("balance_transaction", params["id"]))


def list_(world: World, params: Json) -> Json:
    """`GET /v1/balance_transactions`."""

    def where(entry: Json) -> bool:
        _fresh(world, entry)
        wanted = {name: params[name] for name in ("currency", "type", "source") if name in params}
        return entry["_account"] == world.account and all(entry[n] == v for n, v in wanted.items())

    if params.get("payout"):
        raise StripeError("The sandbox does not list by payout.", param="payout")
    return page(world, "balance_transaction", params, "/v1/balance_transactions", where)


ROUTES = [
    Route("GET", "/v1/balance", "BalanceRetrieveParams", retrieve_balance),
    Route("GET", "/v1/balance_transactions", "BalanceTransactionListParams", list_),
    Route("GET", "/v1/balance_transactions/{id}", "BalanceTransactionRetrieveParams", retrieve),
]
