"""Payment intents: the endpoints. What each state allows is decided here, money moves in `charging`."""

from sandbox.state import Json
from sandbox.stripe import charging, currencies
from sandbox.stripe.errors import StripeError, unexpected_state
from sandbox.stripe.lists import merge_metadata, page, search
from sandbox.stripe.payment_methods import resolve_method
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World, new_id

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = (
    "requires_payment_method",
    "requires_capture",
    "requires_confirmation",
    "requires_action",
    "processing",
)
_COPIED = (
    "description",
    "on_behalf_of",
    "receipt_email",
    "setup_future_usage",
    "shipping",
    "statement_descriptor",
    "statement_descriptor_suffix",
    "transfer_data",
    "transfer_group",
)
_CONFIRM_ONLY = ("return_url", "off_session", "error_on_requires_action", "mandate", "mandate_data")


def create(world: World, params: Json) -> Json:
    """`POST /v1/payment_intents`."""
    currency = currencies.known(params["currency"])
    currencies.check_charge(params["amount"], currency)
    _check_create(params)
    method = _method_for(world, params.get("payment_method"), params.get("customer"))
    intent = world.make("pi", _fields(params, currency))
    intent["client_secret"] = f"{intent['id']}_secret_{new_id('s')[2:]}"
    if method is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    world.emit("payment_intent.created", world.save(intent))
    if params.get("confirm"):
        return _confirm(world, intent, params)
    return intent


def _check_create(params: Json) -> None:
    if not params.get("confirm"):
        for name in _CONFIRM_ONLY:
            if name in params:
                raise StripeError(f"{name} needs confirm=true.", code="parameter_invalid", param=name)
    exclusive = [
        n
        for n in (
            "allowed_payment_method_types",
            "excluded_payment_method_types",
            "automatic_payment_methods",
            "payment_method_configuration",
        )
        if n in params
    ]
    if "allowed_payment_method_types" in exclusive and len(exclusive) > 1:
        raise StripeError(f"{' and '.join(exclusive)} exclude each other.", param=exclusive[0])
    if "card" not in params.get("allowed_payment_method_types", ["card"]):
        raise StripeError(
            "No payment method type is left; the sandbox knows card.", param="allowed_payment_method_types"
        )


def _fields(params: Json, currency: str) -> Json:
    allowed = params.get("allowed_payment_method_types")
    chosen = params.get("automatic_payment_methods") or {"enabled": True}
    automatic = {"allow_redirects": "always", **chosen}
    return {
        "amount": params["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "allowed_payment_method_types": allowed,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": None if allowed else automatic,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.get("capture_method", "automatic_async"),
        "client_secret": None,
        "confirmation_method": params.get("confirmation_method", "automatic"),
        "currency": currency,
        "customer": params.get("customer"),
        "customer_account": None,
        "excluded_payment_method_types": params.get("excluded_payment_method_types"),
        "last_payment_error": None,
        "latest_charge": None,
        "metadata": merge_metadata({}, params.get("metadata")),
        "next_action": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "processing": None,
        "review": None,
        "source": None,
        "status": "requires_payment_method",
        "_off_session": False,
        "_return_url": None,
        **{name: params.get(name) or None for name in _COPIED},
    }


def _method_for(world: World, ident: str | None, customer: str | None) -> Json | None:
    if customer is not None:
        world.load("customer", customer, "customer")
    if ident is None:
        return None
    method = resolve_method(world, ident)
    if method["customer"] is not None and method["customer"] != customer:
        wrong = (
            "belongs to a customer, who must be named" if customer is None else "belongs to another customer"
        )
        raise StripeError(
            f"The payment method {wrong}.", param="customer" if customer is None else "payment_method"
        )
    return method


def retrieve(world: World, params: Json) -> Json:
    """`GET /v1/payment_intents/{id}`."""
    return world.load("payment_intent", params["id"])


def update(world: World, params: Json) -> Json:
    """`POST /v1/payment_intents/{id}`."""
    intent = world.load("payment_intent", params["id"])
    fixed = {"amount", "currency", "customer", "payment_method", "capture_method"} & params.keys()
    if fixed and intent["status"] not in OPEN:
        raise unexpected_state("updated", intent, OPEN)
    amount: int = params["amount"] if "amount" in params else intent["amount"]
    currency = currencies.known(str(params.get("currency", intent["currency"])))
    currencies.check_charge(amount, currency)
    customer = params.get("customer", intent["customer"])
    method = _method_for(world, params.get("payment_method"), customer)
    intent |= {name: params[name] or None for name in (*_COPIED, "capture_method") if name in params}
    intent |= {
        "amount": amount,
        "currency": currency,
        "customer": customer,
        "metadata": merge_metadata(intent["metadata"], params.get("metadata")),
    }
    if method is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation", "next_action": None}
    return world.save(intent)


def confirm(world: World, params: Json) -> Json:
    """`POST /v1/payment_intents/{id}/confirm`."""
    intent = world.load("payment_intent", params["id"])
    if intent["status"] not in OPEN:
        raise unexpected_state("confirmed", intent, OPEN)
    method = _method_for(world, params.get("payment_method"), intent["customer"])
    if method is not None:
        intent["payment_method"] = method["id"]
    if "capture_method" in params:
        intent["capture_method"] = params["capture_method"]
    return _confirm(world, intent, params)


def _confirm(world: World, intent: Json, params: Json) -> Json:
    if intent["payment_method"] is None:
        raise StripeError(
            "A payment intent without a payment method cannot be confirmed.",
            code="payment_intent_unexpected_state",
            payment_intent=intent,
        )
    automatic, off_session = intent["automatic_payment_methods"], bool(params.get("off_session"))
    redirects = automatic is not None and automatic["allow_redirects"] != "never"
    if redirects and not off_session and not params.get("return_url"):
        raise StripeError(
            "Payment methods that redirect are allowed here, so confirming needs a return_url; "
            "or restrict the types.",
            code="parameter_missing",
            param="return_url",
        )
    intent |= {
        "_off_session": off_session,
        "_return_url": params.get("return_url"),
        "setup_future_usage": params.get("setup_future_usage", intent["setup_future_usage"]) or None,
    }
    return charging.confirm(world, intent, error_on_action=bool(params.get("error_on_requires_action")))


def capture(world: World, params: Json) -> Json:
    """`POST /v1/payment_intents/{id}/capture`."""
    intent = world.load("payment_intent", params["id"])
    if intent["status"] != "requires_capture":
        raise unexpected_state("captured", intent, ("requires_capture",))
    held: int = intent["amount_capturable"]
    amount: int = params.get("amount_to_capture", held)
    if amount > intent["amount_capturable"]:
        raise StripeError(
            f"{amount} exceeds the {intent['amount_capturable']} that can be captured.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    currencies.check_charge(amount, intent["currency"], "amount_to_capture")
    intent["metadata"] = merge_metadata(intent["metadata"], params.get("metadata"))
    return charging.capture(world, intent, amount)


def cancel(world: World, params: Json) -> Json:
    """`POST /v1/payment_intents/{id}/cancel`."""
    intent = world.load("payment_intent", params["id"])
    if intent["status"] not in CANCELABLE:
        raise unexpected_state("canceled", intent, CANCELABLE)
    return charging.cancel(world, intent, params.get("cancellation_reason"))


def list_(world: World, params: Json) -> Json:
    """`GET /v1/payment_intents`."""
    customer = params.get("customer")
    return page(
        world,
        "payment_intent",
        params,
        "/v1/payment_intents",
        lambda intent: customer in (None, intent["customer"]),
    )


def search_(world: World, params: Json) -> Json:
    """`GET /v1/payment_intents/search`."""
    return search(world, "payment_intent", params, "/v1/payment_intents/search")


ROUTES = [
    Route("POST", "/v1/payment_intents", "PaymentIntentCreateParams", create),
    Route("GET", "/v1/payment_intents", "PaymentIntentListParams", list_),
    Route("GET", "/v1/payment_intents/search", "PaymentIntentSearchParams", search_),
    Route("GET", "/v1/payment_intents/{id}", "PaymentIntentRetrieveParams", retrieve),
    Route("POST", "/v1/payment_intents/{id}", "PaymentIntentUpdateParams", update),
    Route("POST", "/v1/payment_intents/{id}/confirm", "PaymentIntentConfirmParams", confirm),
    Route("POST", "/v1/payment_intents/{id}/capture", "PaymentIntentCaptureParams", capture),
    Route("POST", "/v1/payment_intents/{id}/cancel", "PaymentIntentCancelParams", cancel),
]
