"""Transfers to connected accounts, and their reversals."""

from sandbox.state import Json
from sandbox.stripe import accounts, balance
from sandbox.stripe.currencies import check_positive, known
from sandbox.stripe.errors import StripeError, missing
from sandbox.stripe.lists import merge_metadata, page, page_of
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World


def create(world: World, params: Json) -> Json:
    """`POST /v1/transfers`."""
    currency = known(params["currency"])
    if "amount" not in params:
        raise StripeError("Missing required param: amount.", code="parameter_missing", param="amount")
    amount = params["amount"]
    check_positive(amount, currency)
    account = accounts.load(world, params["destination"], "destination")
    if account["capabilities"].get("transfers") != "active":
        raise StripeError(
            "The destination needs the transfers capability active.",
            code="insufficient_capabilities_for_transfer",
            param="destination",
        )
    charge = _source(world, params, currency, amount)
    group = _group(params, charge)
    if charge is None and balance.available(world, currency) < amount:
        raise StripeError(
            "The platform's available balance does not cover this transfer.",
            code="balance_insufficient",
            param="amount",
        )
    if charge is not None:
        world.save(charge | {"transfer_group": group})
    transfer = world.make(
        "tr",
        {
            "amount": amount,
            "amount_reversed": 0,
            "balance_transaction": None,
            "currency": currency,
            "description": params.get("description"),
            "destination": account["id"],
            "destination_payment": None,
            "metadata": merge_metadata({}, params.get("metadata")),
            "reversed": False,
            "source_transaction": charge["id"] if charge else None,
            "source_type": "card",
            "transfer_group": group,
        },
    )
    transfer["reversals"] = _reversals(transfer, [])
    transfer["balance_transaction"] = balance.record(world, transfer, -amount, "transfer")["id"]
    available_on = _available_on(world, charge)
    balance.record(world, transfer, amount, "payment", account=account["id"], available_on=available_on)
    world.emit("transfer.created", world.save(transfer))
    return transfer


def _source(world: World, params: Json, currency: str, amount: int) -> Json | None:
    if "source_transaction" not in params:
        return None
    charge = world.load("charge", params["source_transaction"], "source_transaction")
    if not charge["paid"] or not charge["captured"]:
        raise StripeError("The source charge has not been captured.", param="source_transaction")
    if charge["currency"] != currency:
        raise StripeError(f"The source charge is in {charge['currency']}.", param="currency")
    used = sum(
        t["amount"] - t["amount_reversed"]
        for t in world.store.all("transfer")
        if t["source_transaction"] == charge["id"]
    )
    if used + amount > charge["amount_captured"]:
        raise StripeError(
            f"Transfers of this charge would exceed it: {charge['amount_captured'] - used} is left.",
            param="amount",
        )
    return charge


def _group(params: Json, charge: Json | None) -> str | None:
    wanted: str | None = params.get("transfer_group")
    if charge is None:
        return wanted
    group: str | None = charge["transfer_group"]
    if wanted is not None and group not in (None, wanted):
        raise StripeError("The source charge has another transfer_group.", param="transfer_group")
    return wanted or group or f"group_{charge['payment_intent']}"


def _available_on(world: World, charge: Json | None) -> int | None:
    if charge is None or charge["balance_transaction"] is None:
        return None
    entry = world.load("balance_transaction", charge["balance_transaction"])
    return int(entry["available_on"])


def _reversals(transfer: Json, data: list[Json]) -> Json:
    return {
        "object": "list",
        "data": data,
        "has_more": False,
        "total_count": len(data),
        "url": f"/v1/transfers/{transfer['id']}/reversals",
    }


def retrieve(world: World, params: Json) -> Json:
    """`GET /v1/transfers/{id}`."""
    return world.load("transfer", params["id"])


def update(world: World, params: Json) -> Json:
    """`POST /v1/transfers/{id}`."""
    transfer = world.load("transfer", params["id"])
    transfer["metadata"] = merge_metadata(transfer["metadata"], params.get("metadata"))
    transfer["description"] = params.get("description", transfer["description"]) or None
    world.emit("transfer.updated", world.save(transfer))
    return transfer


def list_(world: World, params: Json) -> Json:
    """`GET /v1/transfers`."""
    wanted = {name: params[name] for name in ("destination", "transfer_group") if name in params}
    return page(
        world, "transfer", params, "/v1/transfers", lambda t: all(t[n] == v for n, v in wanted.items())
    )


def reverse(world: World, params: Json) -> Json:
    """`POST /v1/transfers/{id}/reversals`."""
    transfer = world.load("transfer", params["id"])
    left = transfer["amount"] - transfer["amount_reversed"]
    amount = params.get("amount", left)
    if left == 0:
        raise StripeError("The transfer is fully reversed.", code="transfer_already_reversed", param="id")
    check_positive(amount, transfer["currency"])
    if amount > left:
        raise StripeError(f"The reversal of {amount} exceeds the {left} that is left.", param="amount")
    currency, account = transfer["currency"], transfer["destination"]
    held = balance.available(world, currency, account) + balance.pending(world, currency, account)
    if held < amount:
        raise StripeError(
            "The destination's balance does not cover this reversal.",
            code="balance_insufficient",
            param="amount",
        )
    return _reverse(world, transfer, amount, params)


def _reverse(world: World, transfer: Json, amount: int, params: Json) -> Json:
    reversal = world.make(
        "trr",
        {
            "amount": amount,
            "balance_transaction": None,
            "currency": transfer["currency"],
            "destination_payment_refund": None,
            "metadata": merge_metadata({}, params.get("metadata")),
            "source_refund": None,
            "transfer": transfer["id"],
        },
    )
    del reversal["livemode"]
    balance.record(world, reversal, -amount, "payment_refund", account=transfer["destination"])
    entry = balance.record(world, reversal, amount, "transfer_refund")
    reversal["balance_transaction"] = entry["id"]
    world.save(reversal)
    transfer["amount_reversed"] += amount
    transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
    transfer["reversals"] = _reversals(transfer, [reversal, *transfer["reversals"]["data"]])
    world.emit("transfer.reversed", world.save(transfer))
    return reversal


def list_reversals(world: World, params: Json) -> Json:
    """`GET /v1/transfers/{id}/reversals`."""
    transfer = world.load("transfer", params["id"])
    url = f"/v1/transfers/{transfer['id']}/reversals"
    return page_of(transfer["reversals"]["data"], params, url, lambda _: True)


def retrieve_reversal(world: World, params: Json) -> Json:
    """`GET /v1/transfers/{id}/reversals/{reversal}`."""
    reversal = world.load("transfer_reversal", params["reversal"])
    if reversal["transfer"] != params["id"]:
        raise missing("transfer reversal", params["reversal"])
    return reversal


ROUTES = [
    Route("POST", "/v1/transfers", "TransferCreateParams", create),
    Route("GET", "/v1/transfers", "TransferListParams", list_),
    Route("GET", "/v1/transfers/{id}", "TransferRetrieveParams", retrieve),
    Route("POST", "/v1/transfers/{id}", "TransferUpdateParams", update),
    Route("POST", "/v1/transfers/{id}/reversals", "TransferReversalCreateParams", reverse),
    Route("GET", "/v1/transfers/{id}/reversals", "TransferReversalListParams", list_reversals),
    Route(
        "GET", "/v1/transfers/{id}/reversals/{reversal}", "TransferReversalRetrieveParams", retrieve_reversal
    ),
]
