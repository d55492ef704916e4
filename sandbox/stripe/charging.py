"""What happens to money: authorise, decline, ask for 3-D Secure, capture, release, expire."""

from typing import Any

from sandbox.state import Json
from sandbox.stripe import balance, cards
from sandbox.stripe.cards import Card
from sandbox.stripe.charges import new_charge, release
from sandbox.stripe.disputes import open_dispute
from sandbox.stripe.errors import StripeError
from sandbox.stripe.payment_methods import card_of
from sandbox.stripe.world import World, shown

# Visa's windows: a week with the customer present, four days and 18 hours without.
CAPTURE_WITHIN_S = 7 * 86_400
CAPTURE_WITHIN_OFF_SESSION_S = 4 * 86_400 + 18 * 3_600


def confirm(world: World, intent: Json, *, error_on_action: bool = False) -> Json:
    """Try the charge. Returns the intent in `requires_capture`, `succeeded` or `requires_action`;
    raises the 402 of a declined card after the failure is recorded.
    """
    method = world.load("payment_method", intent["payment_method"], "payment_method")
    card, off_session = card_of(method), intent["_off_session"]
    if world.faults.on_confirm(intent["customer"], intent["metadata"]):
        raise _decline(world, intent, method, "card_declined", "generic_decline")
    if cards.needs_authentication(card, off_session=off_session, set_up=method["_set_up"]):
        if off_session or error_on_action:
            raise _decline(world, intent, method, "authentication_required", "authentication_required")
        return _ask(world, intent)
    return _charge(world, intent, method, card)


def authenticated(world: World, intent: Json, *, approved: bool) -> None:
    """The customer answered on the 3-D Secure page. Never raises for a decline: it is on the intent."""
    method = world.load("payment_method", intent["payment_method"], "payment_method")
    intent["next_action"] = None
    try:
        if not approved:
            raise _decline(world, intent, method, "payment_intent_authentication_failure", None, charge=False)
        _charge(world, intent, method, card_of(method), three_d_secure=True)
    except StripeError:
        # The decline was recorded on the intent and told by webhook; the page only redirects back.
        return


def _ask(world: World, intent: Json) -> Json:
    if intent["_return_url"]:
        url = f"{world.pages}/3ds/{intent['id']}"
        action: Json = {
            "type": "redirect_to_url",
            "redirect_to_url": {"return_url": intent["_return_url"], "url": url},
        }
    else:
        action = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    intent |= {"status": "requires_action", "next_action": action, "last_payment_error": None}
    world.emit("payment_intent.requires_action", world.save(intent))
    return intent


def _decline(
    world: World, intent: Json, method: Json, code: str, decline_code: str | None, *, charge: bool = True
) -> StripeError:
    """Record a failed attempt and return the error that tells it."""
    message = f"The card was declined ({decline_code or code})."
    if charge:
        failed = new_charge(
            world,
            intent,
            method,
            {
                "status": "failed",
                "paid": False,
                "captured": False,
                "failure_code": code,
                "failure_message": message,
                "amount_captured": 0,
                "outcome": {
                    "network_status": "declined_by_network",
                    "reason": decline_code or code,
                    "risk_level": "normal",
                    "seller_message": message,
                    "type": "issuer_declined",
                },
            },
        )
        intent["latest_charge"] = failed["id"]
        world.emit("charge.failed", failed)
    told = {"type": "card_error", "code": code, "message": message, "payment_method": shown(method)}
    if decline_code:
        told["decline_code"] = decline_code
    if charge:
        told["charge"] = intent["latest_charge"]
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "last_payment_error": told,
    }
    world.emit("payment_intent.payment_failed", world.save(intent))
    extra: dict[str, Any] = {
        name: told[name] for name in ("charge", "decline_code", "payment_method") if name in told
    }
    return StripeError(
        message, status=402, kind="card_error", code=code, payment_intent=shown(intent), **extra
    )


def _charge(world: World, intent: Json, method: Json, card: Card, *, three_d_secure: bool = False) -> Json:
    if card.decline:
        raise _decline(world, intent, method, *card.decline)
    manual = intent["capture_method"] == "manual"
    charge = new_charge(
        world,
        intent,
        method,
        {
            "status": "succeeded",
            "paid": True,
            "captured": not manual,
            "amount_captured": 0 if manual else intent["amount"],
        },
    )
    details = charge["payment_method_details"]["card"]
    if three_d_secure:
        details["three_d_secure"] = {
            "authentication_flow": "challenge",
            "result": "authenticated",
            "result_reason": None,
            "version": "2.2.0",
        }
    intent |= {"latest_charge": charge["id"], "last_payment_error": None, "next_action": None}
    if intent["setup_future_usage"]:
        _keep(world, intent, method)
    if manual:
        window = CAPTURE_WITHIN_OFF_SESSION_S if intent["_off_session"] else CAPTURE_WITHIN_S
        details["capture_before"] = world.clock.now_s() + window
        intent |= {"status": "requires_capture", "amount_capturable": intent["amount"]}
        world.emit("charge.succeeded", world.save(charge))
        world.emit("payment_intent.amount_capturable_updated", world.save(intent))
        return intent
    _settle(world, charge, card)
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    world.emit("charge.succeeded", world.save(charge))
    world.emit("payment_intent.succeeded", world.save(intent))
    _dispute(world, charge, card)
    return intent


def _keep(world: World, intent: Json, method: Json) -> None:
    method["_set_up"] = True
    if intent["customer"] and method["customer"] is None:
        method["customer"] = intent["customer"]
        world.emit("payment_method.attached", method)
    world.save(method)


def _settle(world: World, charge: Json, card: Card) -> None:
    entry = balance.record_charge(world, charge, at_once=card.at_once)
    charge["balance_transaction"] = entry["id"]
    world.save(charge)


def _dispute(world: World, charge: Json, card: Card) -> None:
    if card.disputed:
        open_dispute(world, charge, reason="fraudulent")


def capture(world: World, intent: Json, amount: int) -> Json:
    """Take `amount` minor units of the hold and release the rest."""
    charge = world.load("charge", intent["latest_charge"])
    card = cards.by_number(charge["_number"]) or cards.VISA
    charge |= {"captured": True, "amount_captured": amount}
    charge["payment_method_details"]["card"]["capture_before"] = None
    release(world, charge, charge["amount"] - amount)
    _settle(world, charge, card)
    intent |= {"status": "succeeded", "amount_capturable": 0, "amount_received": amount}
    world.emit("charge.captured", world.save(charge))
    world.emit("payment_intent.succeeded", world.save(intent))
    _dispute(world, charge, card)
    return intent


def cancel(world: World, intent: Json, reason: str | None) -> Json:
    """End the intent and release its hold, if it has one."""
    held = intent["status"] == "requires_capture"
    intent |= {
        "status": "canceled",
        "canceled_at": world.clock.now_s(),
        "cancellation_reason": reason,
        "amount_capturable": 0,
        "next_action": None,
    }
    world.save(intent)
    if held:
        charge = world.load("charge", intent["latest_charge"])
        charge["payment_method_details"]["card"]["capture_before"] = None
        release(world, charge, charge["amount"])
        event = "charge.expired" if reason == "automatic" else "charge.refunded"
        world.emit(event, world.save(charge))
    world.emit("payment_intent.canceled", intent)
    return intent


def expire_holds(world: World) -> int:
    """Cancel every hold whose `capture_before` has passed; returns how many."""
    expired = 0
    for intent in list(world.store.all("payment_intent")):
        if intent["status"] != "requires_capture":
            continue
        charge = world.load("charge", intent["latest_charge"])
        if charge["payment_method_details"]["card"]["capture_before"] <= world.clock.now_s():
            cancel(world, intent, "automatic")
            expired += 1
    return expired
