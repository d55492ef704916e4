"""Hosted Checkout in setup mode."""

from sandbox.state import Json
from sandbox.stripe import cards, currencies, setup_intents
from sandbox.stripe.errors import StripeError
from sandbox.stripe.lists import merge_metadata, page
from sandbox.stripe.payment_methods import new_method
from sandbox.stripe.routing import Route
from sandbox.stripe.world import World

SESSION_LASTS_S = 86_400


def create_session(world: World, params: Json) -> Json:
    """`POST /v1/checkout/sessions`."""
    _check_session(params)
    now_s = world.clock.now_s()
    extra = params.get("setup_intent_data") or {}
    customer = params.get("customer")
    if customer is None and params.get("customer_creation") == "always":
        customer = world.make(
            "cus",
            {
                "metadata": {},
                "email": params.get("customer_email"),
                "name": None,
                "invoice_settings": {"default_payment_method": None},
            },
        )["id"]
    intent = setup_intents.create(world, {"customer": customer, **extra})
    session = world.make(
        "cs",
        {
            "after_expiration": None,
            "allow_promotion_codes": None,
            "amount_subtotal": None,
            "amount_total": None,
            "cancel_url": params.get("cancel_url"),
            "client_reference_id": params.get("client_reference_id"),
            "client_secret": None,
            "currency": params.get("currency"),
            "customer": customer,
            "customer_creation": None,
            "customer_details": None,
            "customer_email": params.get("customer_email"),
            "expires_at": params.get("expires_at", now_s + SESSION_LASTS_S),
            "invoice": None,
            "locale": None,
            "metadata": merge_metadata({}, params.get("metadata")),
            "mode": "setup",
            "payment_intent": None,
            "payment_method_types": ["card"],
            "payment_status": "no_payment_required",
            "setup_intent": intent["id"],
            "status": "open",
            "submit_type": None,
            "subscription": None,
            "success_url": params["success_url"],
            "ui_mode": "hosted_page",
            "url": None,
        },
    )
    session["url"] = f"{world.pages}/checkout/{session['id']}"
    return world.save(session)


def _check_session(params: Json) -> None:
    if params.get("mode") != "setup":
        raise StripeError("The sandbox knows Checkout in setup mode.", param="mode")
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise StripeError("The sandbox knows the hosted page.", param="ui_mode")
    for name in ("success_url", *(() if "allowed_payment_method_types" in params else ("currency",))):
        if name not in params:
            raise StripeError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    for name in ("line_items", "payment_intent_data", "subscription_data"):
        if name in params:
            raise StripeError(f"{name} has no place in setup mode.", param=name)
    if "currency" in params:
        currencies.known(params["currency"])


def submit_session(world: World, session: Json, number: str) -> Json:
    """A card number was entered on the hosted page. Returns the setup intent; raises a `StripeError` whose
    message the page shows.
    """
    card = cards.by_number(number)
    if card is None:
        raise StripeError(
            "This is no test card number.", status=402, kind="card_error", code="incorrect_number"
        )
    intent = world.load("setup_intent", session["setup_intent"])
    intent["_return_url"] = f"{world.pages}/checkout/{session['id']}/done"
    setup_intents.submit(world, intent, new_method(world, card))
    if intent["status"] == "succeeded":
        complete_session(world, session)
    return intent


def complete_session(world: World, session: Json) -> None:
    """The card is saved: close the page and tell it."""
    if session["status"] == "open":
        session |= {"status": "complete", "url": None}
        world.emit("checkout.session.completed", world.save(session))


def expire_session(world: World, params: Json) -> Json:
    """`POST /v1/checkout/sessions/{id}/expire`."""
    session = retrieve_session(world, params)
    if session["status"] != "open":
        raise StripeError("Only an open session can be expired.")
    return _expire(world, session)


def _expire(world: World, session: Json) -> Json:
    session |= {"status": "expired", "url": None}
    world.emit("checkout.session.expired", world.save(session))
    return session


def expire_sessions(world: World) -> int:
    """Close every hosted page whose day is over; returns how many."""
    over = [
        s
        for s in world.store.all("checkout.session")
        if s["status"] == "open" and s["expires_at"] <= world.clock.now_s()
    ]
    for session in over:
        _expire(world, session)
    return len(over)


def retrieve_session(world: World, params: Json) -> Json:
    """`GET /v1/checkout/sessions/{id}`."""
    return world.load("checkout.session", params["id"])


def list_sessions(world: World, params: Json) -> Json:
    """`GET /v1/checkout/sessions`."""
    wanted = {name: params[name] for name in ("customer", "status") if name in params}
    return page(
        world,
        "checkout.session",
        params,
        "/v1/checkout/sessions",
        lambda s: all(s[n] == v for n, v in wanted.items()),
    )


ROUTES = [
    Route("POST", "/v1/checkout/sessions", "checkout.SessionCreateParams", create_session),
    Route("GET", "/v1/checkout/sessions", "checkout.SessionListParams", list_sessions),
    Route("GET", "/v1/checkout/sessions/{id}", "checkout.SessionRetrieveParams", retrieve_session),
    Route("POST", "/v1/checkout/sessions/{id}/expire", "checkout.SessionExpireParams", expire_session),
]
