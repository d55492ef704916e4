"""Connected accounts and the hosted links that onboard them."""

from sandbox.state import Json
from sandbox.stripe.balance import available, pending
from sandbox.stripe.errors import StripeError, missing
from sandbox.stripe.lists import merge_metadata, page
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World, new_id

LINK_LASTS_S = 300
_DUE = [
    "external_account",
    "individual.dob.day",
    "individual.dob.month",
    "individual.dob.year",
    "individual.first_name",
    "individual.last_name",
    "tos_acceptance.date",
    "tos_acceptance.ip",
]
_PLAIN = ("business_profile", "business_type", "default_currency", "email")


def create(world: World, params: Json) -> Json:
    """`POST /v1/accounts`."""
    if "type" in params and "controller" in params:
        raise StripeError("Name either type or controller.", param="type")
    wanted = {name for name, asked in (params.get("capabilities") or {}).items() if asked.get("requested")}
    account = world.make(
        "acct",
        {
            "business_profile": params.get("business_profile") or {},
            "business_type": params.get("business_type"),
            "capabilities": dict.fromkeys(sorted(wanted), "inactive"),
            "charges_enabled": False,
            "controller": _controller(params),
            "country": params.get("country", "US"),
            "default_currency": params.get("default_currency", "usd"),
            "details_submitted": False,
            "email": params.get("email"),
            "external_accounts": {
                "object": "list",
                "data": [],
                "has_more": False,
                "url": "/v1/accounts/external_accounts",
            },
            "future_requirements": _requirements([]),
            "metadata": merge_metadata({}, params.get("metadata")),
            "payouts_enabled": False,
            "requirements": _requirements(_DUE, "requirements.past_due"),
            "settings": {
                "payouts": {
                    "debit_negative_balances": True,
                    "schedule": {"delay_days": 2, "interval": "daily"},
                    "statement_descriptor": None,
                }
            },
            "tos_acceptance": {"date": None, "ip": None, "user_agent": None},
            "type": params.get("type", "none"),
            "_authorized": True,
        },
    )
    del account["livemode"]
    world.emit("account.updated", world.save(account), account=account["id"])
    return account


def _controller(params: Json) -> Json:
    kind = params.get("type", "none")
    given = params.get("controller") or {}
    dashboard = {"express": "express", "standard": "full"}.get(kind, "none")
    return {
        "type": "application",
        "is_controller": True,
        "fees": {"payer": "application"},
        "losses": {"payments": "application"},
        "requirement_collection": "stripe",
        "stripe_dashboard": {"type": dashboard},
        **given,
    }


def _requirements(due: list[str], disabled: str | None = None) -> Json:
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": list(due),
        "errors": [],
        "disabled_reason": disabled,
        "eventually_due": list(due),
        "past_due": list(due),
        "pending_verification": [],
    }


def load(world: World, ident: str, param: str = "id") -> Json:
    """A connected account that this platform may still act for. Raises `StripeError`."""
    account = world.load("account", ident, param)
    if not account["_authorized"]:
        raise StripeError(f"This key has no access to account '{ident}'.", status=403, code="account_invalid")
    return account


def retrieve(world: World, params: Json) -> Json:
    """`GET /v1/accounts/{id}`."""
    return load(world, params["id"])


def retrieve_current(world: World, params: Json) -> Json:
    """`GET /v1/account`."""
    if world.account is None:
        return {
            "id": "acct_sandboxplatform",
            "object": "account",
            "charges_enabled": True,
            "payouts_enabled": True,
            "country": "US",
            "default_currency": "usd",
            "details_submitted": True,
        }
    return load(world, world.account)


def update(world: World, params: Json) -> Json:
    """`POST /v1/accounts/{id}`."""
    account = load(world, params["id"])
    account |= {name: params[name] for name in _PLAIN if name in params}
    account["metadata"] = merge_metadata(account["metadata"], params.get("metadata"))
    for name, asked in (params.get("capabilities") or {}).items():
        if asked.get("requested"):
            state = "active" if account["details_submitted"] else "inactive"
            account["capabilities"].setdefault(name, state)
        elif asked.get("requested") is False:
            account["capabilities"].pop(name, None)
    world.emit("account.updated", world.save(account), account=account["id"])
    return account


def delete(world: World, params: Json) -> Json:
    """`DELETE /v1/accounts/{id}`: as with live keys, only where the platform runs it and no money is left."""
    account = load(world, params["id"])
    if account["controller"]["stripe_dashboard"]["type"] == "full":
        raise StripeError("An account with access to the full dashboard cannot be deleted.")
    moved = {e["currency"] for e in world.store.all("balance_transaction") if e["_account"] == account["id"]}
    if any(available(world, one, account["id"]) or pending(world, one, account["id"]) for one in moved):
        raise StripeError("The account cannot be deleted while its balance is not zero.")
    world.store.delete("account", params["id"])
    return {"id": params["id"], "object": "account", "deleted": True}


def list_(world: World, params: Json) -> Json:
    """`GET /v1/accounts`."""
    return page(world, "account", params, "/v1/accounts", lambda a: bool(a["_authorized"]))


def onboard(world: World, account: Json) -> Json:
    """Everything submitted and verified: requested capabilities become active."""
    account |= {
        "details_submitted": True,
        "payouts_enabled": True,
        "requirements": _requirements([]),
        "charges_enabled": "card_payments" in account["capabilities"],
    }
    account["capabilities"] = dict.fromkeys(account["capabilities"], "active")
    world.save(account)
    for name in account["capabilities"]:
        world.emit("capability.updated", _capability(world, account, name), account=account["id"])
    world.emit("account.updated", account, account=account["id"])
    return account


def set_capability(world: World, account: Json, name: str, status: str) -> Json:
    """Stripe's own decision about a capability: `active`, `inactive` or `pending`."""
    account["capabilities"][name] = status
    disabled = None if status == "active" else "requirements.past_due"
    account["requirements"] = _requirements([], disabled)
    world.emit("capability.updated", _capability(world, account, name), account=account["id"])
    world.emit("account.updated", world.save(account), account=account["id"])
    return account


def deauthorize(world: World, account: Json) -> None:
    """The account's owner disconnects from the platform, which may not act for it any more."""
    account["_authorized"] = False
    world.save(account)
    application = {"id": "ca_sandbox", "object": "application", "name": "Sandbox platform"}
    world.emit("account.application.deauthorized", application, account=account["id"])


def _capability(world: World, account: Json, name: str) -> Json:
    return {
        "id": name,
        "object": "capability",
        "account": account["id"],
        "requested": True,
        "requested_at": account["created"],
        "requirements": account["requirements"],
        "status": account["capabilities"][name],
    }


def create_link(world: World, params: Json) -> Json:
    """`POST /v1/account_links`."""
    account = load(world, params["account"], "account")
    for name in ("refresh_url", "return_url"):
        if name not in params:
            raise StripeError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    now_s = world.clock.now_s()
    for old in [old for old in world.store.all("link") if old["expires_at"] < now_s]:
        world.store.delete("link", old["id"])
    link = {
        "id": new_id("link"),
        "account": account["id"],
        "expires_at": now_s + LINK_LASTS_S,
        "refresh_url": params["refresh_url"],
        "return_url": params["return_url"],
    }
    world.store.put("link", link["id"], link)
    return {
        "object": "account_link",
        "created": now_s,
        "expires_at": link["expires_at"],
        "url": f"{world.pages}/onboarding/{link['id']}",
    }


def create_login_link(world: World, params: Json) -> Json:
    """`POST /v1/accounts/{id}/login_links`."""
    account = load(world, params["id"])
    if account["controller"]["stripe_dashboard"]["type"] != "express":
        raise StripeError("Login links exist for Express dashboards only.")
    return {
        "object": "login_link",
        "created": world.clock.now_s(),
        "url": f"{world.pages}/dashboard/{account['id']}",
    }


def retrieve_capability(world: World, params: Json) -> Json:
    """`GET /v1/accounts/{id}/capabilities/{capability}`."""
    account = load(world, params["id"])
    if params["capability"] not in account["capabilities"]:
        raise missing("capability", params["capability"])
    return _capability(world, account, params["capability"])


ROUTES = [
    Route("POST", "/v1/accounts", "AccountCreateParams", create),
    Route("GET", "/v1/accounts", "AccountListParams", list_),
    Route("GET", "/v1/account", "AccountRetrieveCurrentParams", retrieve_current),
    Route("GET", "/v1/accounts/{id}", "AccountRetrieveParams", retrieve),
    Route("POST", "/v1/accounts/{id}", "AccountUpdateParams", update),
    Route("DELETE", "/v1/accounts/{id}", "AccountDeleteParams", delete),
    Route(
        "GET",
        "/v1/accounts/{id}/capabilities/{capability}",
        "AccountCapabilityRetrieveParams",
        retrieve_capability,
    ),
    Route("POST", "/v1/accounts/{id}/login_links", "AccountLoginLinkCreateParams", create_login_link),
    Route("POST", "/v1/account_links", "AccountLinkCreateParams", create_link),
]
